"""The kernel log, ``/dev/kmsg``: one record per line, with a priority, so that every kernel console shows it.

The kernel's side is ``devkmsg_write`` in kernel/printk/printk.c: one write is one record, older kernels reject a record
longer than 976 bytes, and an open file is muted after ten records in five seconds unless ``printk.devkmsg=on``.
"""

from __future__ import annotations

import os
from enum import IntEnum
from pathlib import Path
from typing import Final

from bootgrant.acquire.console import Prompt, QrChoice, qr, wording
from bootgrant.acquire.console.wording import escape, escape_but_tabs
from bootgrant.acquire.errors import OutputFailed

MAX_RECORD: Final = 976
"""Bytes of one write, priority and line end included."""
RECORDS_PER_OPEN: Final = 8
"""The kernel counts records per open file, so a QR code of twenty lines opens the file three times."""
SPACES: Final = ((64, 20), (64, qr.UNLIMITED))
"""A kernel console has 80 columns, and printk.time takes some of them: ``[   12.345678] ``."""


class Priority(IntEnum):
    """The priorities of syslog(2)."""

    ERROR = 3
    WARNING = 4
    INFO = 6


class KmsgConsole:
    """Writes to ``path``. Raises OutputFailed if it cannot be opened at first; later failures only lose lines."""

    def __init__(self, path: Path, *, qr: QrChoice, compat: bool = False) -> None:
        self._path = path
        self._qr = qr
        self._compat = compat
        self._records = 0
        try:
            self._fd = self._open()
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputFailed(f"cannot write to {path} ({reason})", "run as root or use --console plain") from error

    def info(self, line: str) -> None:
        self._write(Priority.INFO, wording.PREFIX + escape(line))

    def warning(self, line: str) -> None:
        self._write(Priority.WARNING, wording.PREFIX + escape(line))

    def error(self, line: str) -> None:
        if not self._compat:
            self._write(Priority.ERROR, wording.PREFIX + escape(line))
            return
        for part in line.split("\n"):
            self._write(Priority.ERROR, escape_but_tabs(part).replace("\t", " "))

    def prompt(self, prompt: Prompt) -> None:
        self.info(wording.visit(prompt))
        if self._compat and self._qr == "auto":
            drawing = qr.draw_as_talos(prompt.verification_uri_complete)
        else:
            drawing = qr.draw(prompt.verification_uri_complete, self._qr, blocks=True, spaces=SPACES)
        if drawing.lines:
            self.info(wording.SCAN)
        for line in drawing.lines:
            self._write(Priority.INFO, line)
        if drawing.notice:
            self.info(drawing.notice)
        self.info(wording.waiting(prompt, compat=self._compat))

    def prompt_over(self) -> None:
        """Nothing counts down here."""

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY)

    def _write(self, priority: Priority, text: str) -> None:
        for record in records(priority, text, cut=self._compat):
            try:
                if self._records >= RECORDS_PER_OPEN:
                    self.close()
                    self._fd, self._records = self._open(), 0
                os.write(self._fd, record)
            except OSError:
                return
            self._records += 1


def records(priority: Priority, text: str, *, cut: bool) -> list[bytes]:
    """Split a line between characters into records; with ``cut``, keep only the first, as Talos does."""
    start, end = f"<{priority:d}>".encode(), b"\n"
    room = MAX_RECORD - len(start) - len(end)
    rest, parts = text.encode("utf-8", "replace"), []
    while len(rest) > room:
        at = room
        while at > 0 and rest[at] & 0xC0 == 0x80:
            at -= 1
        parts.append(rest[:at])
        rest = rest[at:]
    parts.append(rest)
    return [start + part + end for part in (parts[:1] if cut else parts)]
