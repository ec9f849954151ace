"""A worker that runs in a thread of the test, for tests that are not about processes and their limits."""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from collections.abc import Iterator

from bootgrant.configurations.limits import EntryLimits
from bootgrant.configurations.notes import Notes
from bootgrant.configurations.worker.serving import channel_on, serve


class NoGuard:
    """configurations.worker.guard.Guard without limits."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes

    @contextlib.contextmanager
    def limited(self, limits: EntryLimits) -> Iterator[None]:
        yield

    @contextlib.contextmanager
    def talking(self) -> Iterator[None]:
        yield


class ThreadWorker:
    """configurations.worker_process.Peer: the same conversation over the same socket pair, but in one process."""

    def __init__(self) -> None:
        self.socket, far = socket.socketpair()
        self.notes = Notes()
        thread = threading.Thread(target=_run, args=(far, self.notes), daemon=True)
        thread.start()
        self.end = weakref.finalize(self, _end, self.socket, thread)

    def signal(self, number: int) -> None:
        raise AssertionError(f"a worker without limits is sent signal {number}")

    def last_words(self) -> str:
        self.end()
        return "the thread ended"


def _run(far: socket.socket, notes: Notes) -> None:
    with far:
        serve(channel_on(far), NoGuard(notes))


def _end(near: socket.socket, thread: threading.Thread) -> None:
    near.close()
    thread.join(10)
