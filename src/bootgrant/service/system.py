"""The clock and the random source of the real machine."""

from __future__ import annotations

import secrets
import time


class SystemClock:
    """ports.time.Clock."""

    def now(self) -> float:
        return time.time()

    def steady(self) -> float:
        return time.monotonic()


class SystemEntropy:
    """ports.time.Entropy from the kernel, read in blocks, because each read is a system call.

    For a single thread of a process that never forks.
    """

    _BLOCK = 4096

    def __init__(self) -> None:
        self._bytes = b""
        self._used = 0

    def random_bytes(self, count: int) -> bytes:
        if count > self._BLOCK:
            return secrets.token_bytes(count)
        if self._used + count > len(self._bytes):
            self._bytes, self._used = secrets.token_bytes(self._BLOCK), 0
        self._used += count
        return self._bytes[self._used - count : self._used]
