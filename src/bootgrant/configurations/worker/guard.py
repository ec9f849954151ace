"""The limits of one piece of work, held by timers and by the kernel.

A timer of CPU time looks every few milliseconds whether the work has used its time or its memory. Python's handler of
the signal then says where it was, and the process ends. Inside a long call into C Python runs no handler, so a second
timer ends the process a little later, and RLIMIT_AS refuses large pieces of memory at once. That limit leaves some
room: where not even a number can be made, Python 3.11 loops in its own handling of the error. The server watches the
time altogether.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import time
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Final, NoReturn, Protocol

from bootgrant.configurations.frames import Channel, ChannelClosed
from bootgrant.configurations.limits import EntryLimits
from bootgrant.configurations.notes import Notes
from bootgrant.configurations.worker.place import outwards, place_of
from bootgrant.configurations.worker_process import END, SAY_WHERE

_LATER: Final = 0.5
_LOOK_EVERY: Final = 0.02
_ROOM: Final = 64 << 20
_FILES: Final = 64
_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38


class Guard(Protocol):
    """Limits a piece of work, which says in ``notes`` what it works on."""

    notes: Notes

    def limited(self, limits: EntryLimits) -> contextlib.AbstractContextManager[None]:
        """Hold the limits inside the context."""

    def talking(self) -> contextlib.AbstractContextManager[None]:
        """Report nothing in this context: another message is being exchanged."""


class ProcessGuard:
    """The Guard of a process of its own. For the main thread."""

    def __init__(self, channel: Channel, notes: Notes) -> None:
        self.notes = notes
        self._channel = channel
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        self._most_memory = 0
        self._cpu_end = 0.0
        self._is_talking = False
        signal.signal(signal.SIGPROF, lambda _, frame: self._look(frame))
        signal.signal(SAY_WHERE, lambda _, frame: self._end("time", frame))
        signal.signal(END, signal.SIG_DFL)

    @contextlib.contextmanager
    def limited(self, limits: EntryLimits) -> Iterator[None]:
        self.notes.file = self.notes.key = ""
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        self._most_memory = self._size() + limits.memory
        self._cpu_end = time.process_time() + limits.cpu
        resource.setrlimit(resource.RLIMIT_AS, (self._most_memory + _ROOM, hard))
        signal.setitimer(signal.ITIMER_PROF, _LOOK_EVERY, _LOOK_EVERY)
        signal.setitimer(signal.ITIMER_VIRTUAL, limits.cpu + _LATER)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))

    @contextlib.contextmanager
    def talking(self) -> Iterator[None]:
        self._is_talking = True
        try:
            yield
        finally:
            self._is_talking = False

    def _size(self) -> int:
        return int(os.pread(self._statm, 100, 0).split()[0]) * self._page

    def _look(self, frame: FrameType | None) -> None:
        if self._is_talking:
            return
        if time.process_time() >= self._cpu_end:
            self._end("cpu", frame)
        if self._size() > self._most_memory:
            self._end("memory", frame)

    def _end(self, what: str, frame: FrameType | None) -> NoReturn:
        """Report where the work was, and end: it cannot be continued, and nothing of it can be trusted."""
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        if not self._is_talking:
            try:
                file, line = place_of(outwards(frame), self.notes.file)
                self._channel.send({"exceeded": what, "file": file, "line": line})
            except ChannelClosed:
                os._exit(1)
            except Exception:  # noqa: BLE001  (the server must hear the reason)
                os.write(2, traceback.format_exc().encode(errors="replace"))
                self._channel.send({"exceeded": what, "file": self.notes.file, "line": 0})
        os._exit(1)


def lock_up() -> None:
    """Give up what the work does not need: new processes, files, privileges, and to be looked into."""
    # Everything that is imported at first use would be counted as an entry's.
    for limit in (resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    with contextlib.suppress(ImportError, OSError, AttributeError):
        # Not every Python is built with it.
        import ctypes

        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
