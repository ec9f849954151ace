"""What a worker works on, in memory that the server sees too: known even if the worker ends without a word."""

from __future__ import annotations

import mmap
import os
from typing import Final

_SIZE: Final = 8192


class Notes:
    """Two short texts: a ``key`` of the entry, and the ``file``. ``descriptor`` is shared memory; -1 for none."""

    def __init__(self, descriptor: int = -1) -> None:
        self._memory = mmap.mmap(descriptor, _SIZE)

    @property
    def key(self) -> str:
        return self._text(0)

    @key.setter
    def key(self, text: str) -> None:
        self._write(0, text)

    @property
    def file(self) -> str:
        return self._text(_SIZE // 2)

    @file.setter
    def file(self, text: str) -> None:
        self._write(_SIZE // 2, text)

    def _text(self, at: int) -> str:
        length = int.from_bytes(self._memory[at : at + 2], "big")
        return self._memory[at + 2 : at + 2 + min(length, _SIZE // 2 - 2)].decode("utf-8", "replace")

    def _write(self, at: int, text: str) -> None:
        content = text.encode("utf-8", "replace")[: _SIZE // 2 - 2]
        self._memory[at : at + 2 + len(content)] = len(content).to_bytes(2, "big") + content


def shared_memory() -> int:
    """Return a descriptor of memory for Notes that a child process can inherit. Raises OSError."""
    descriptor = os.memfd_create("notes", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, _SIZE)
    return descriptor
