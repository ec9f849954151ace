"""Which connections have sent a poll, in memory that outlives a killed server (service/server/last_answers.py)."""

from __future__ import annotations

import mmap
import resource
from typing import Final

POLL_PATH: Final = b"/token"
_MOST_DESCRIPTORS: Final = 1 << 20
"""The kernel's own limit (``fs.nr_open``), unless it was raised."""


class OpenPolls:
    """A byte for each possible descriptor. A process that is forked from this one shares them."""

    def __init__(self) -> None:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self._size = _MOST_DESCRIPTORS if limit == resource.RLIM_INFINITY else min(limit, _MOST_DESCRIPTORS)
        self._marks = mmap.mmap(-1, self._size)

    def begin(self, descriptor: int) -> None:
        """Note that a poll has arrived on a connection, and may be answered with "authorization_pending"."""
        if descriptor < self._size:
            self._marks[descriptor] = 1

    def end(self, descriptor: int) -> None:
        """Note that a connection is closed, or has another request now."""
        if descriptor < self._size:
            self._marks[descriptor] = 0

    def has(self, descriptor: int) -> bool:
        return descriptor < self._size and bool(self._marks[descriptor])
