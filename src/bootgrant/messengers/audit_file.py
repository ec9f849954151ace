"""Audit records as lines of a file, for a program that reads it or ships it elsewhere."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from bootgrant.messengers.own_thread import OwnThread
from bootgrant.ports.audit_sinks import SinkRecord
from bootgrant.ports.notifications import NotSent

_TAIL: Final = 1 << 20
"""Bytes at the end of the file in which its last record is looked for."""


@dataclass(frozen=True, slots=True)
class FileSink:
    """Appends JSON lines to ``path``, which has mode 0600 when it is created.

    The file is opened for each part, so one that was rotated away is created again. With ``sync``, records are
    confirmed when they are on the disk. Records that the file already ends with are not written again.
    """

    path: Path
    sync: bool = True
    _thread: OwnThread = field(default_factory=OwnThread, compare=False)

    async def send(self, records: Sequence[SinkRecord]) -> None:
        lines = [record.line for record in records]
        try:
            await self._thread.run(lambda: self._append(lines))
        except OSError as error:
            raise NotSent(f"{self.path} cannot be written: {error.strerror or type(error).__name__}") from None

    def _append(self, lines: Sequence[str]) -> None:
        with os.fdopen(_opened(self.path), "r+b") as file:
            last, begun = _ends_with(file)
            if begun and any(line.startswith(begun) for line in lines):
                # A server that was killed left a part of a line.
                file.truncate(file.seek(-len(begun), os.SEEK_END))
                begun = ""
            new = lines[lines.index(last) + 1 :] if last in lines else lines
            file.seek(0, os.SEEK_END)
            file.write(("\n" * bool(begun) + "".join(f"{line}\n" for line in new)).encode("ascii"))
            file.flush()
            if self.sync:
                os.fsync(file.fileno())


def _opened(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "it is not a regular file")
    return descriptor


def _ends_with(file: BinaryIO) -> tuple[str, str]:
    """Return the last whole line of a file, and what follows it."""
    file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
    *whole, begun = file.read().decode("latin-1").split("\n")
    return (whole[-1] if whole else "", begun)
