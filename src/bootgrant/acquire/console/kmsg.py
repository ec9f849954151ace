"""The kernel log, ``/dev/kmsg``: one record per line, with a priority, so that every kernel console shows it.

One write is one record, older kernels reject one of over 976 bytes, and an open file is muted after ten records in five
seconds unless ``printk.devkmsg=on``. Source: ``devkmsg_write`` in kernel/printk/printk.c.
"""

from __future__ import annotations

import os
from enum import IntEnum
from pathlib import Path
from typing import Final

from bootgrant.acquire.console import QrChoice
from bootgrant.acquire.console.lines import Level, LineConsole
from bootgrant.acquire.console.qr import UNLIMITED
from bootgrant.acquire.errors import OutputFailed, reason_of

MAX_RECORD: Final = 976
"""Bytes of one write, priority and line end included."""
RECORDS_PER_OPEN: Final = 8
"""The kernel counts records per open file, so a QR code of twenty lines opens the file three times."""
SPACES: Final = ((64, 20), (64, UNLIMITED))
"""A kernel console has 80 columns, and printk.time takes some of them: ``[   12.345678] ``."""


class Priority(IntEnum):
    """The priorities of syslog(2)."""

    ERROR = 3
    WARNING = 4
    INFO = 6


class KmsgConsole(LineConsole):
    """Writes to ``path``. Raises OutputFailed if it cannot be opened at first; later failures only lose lines."""

    def __init__(self, path: Path, *, qr: QrChoice, compat: bool = False) -> None:
        super().__init__(qr=qr, compat=compat, blocks=True, spaces=SPACES)
        self._path = path
        self._records = 0
        try:
            self._fd = self._open()
        except OSError as error:
            reason = reason_of(error)
            raise OutputFailed(f"cannot write to {path} ({reason})", "run as root or use --console plain") from error

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY)

    def _write(self, level: Level, text: str) -> None:
        for record in records(Priority[level.upper()], text.replace("\t", " "), cut=self._compat):
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
