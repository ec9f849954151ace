"""The server's half of the conversation with a worker process: it starts one, asks it, and ends it at its limits.

A process that exceeded its limits, or that does not answer, is not used again: its owner starts another one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

from bootgrant.configurations.frames import Blobs, Channel, ChannelClosed, Message
from bootgrant.configurations.limits import EntryLimits, Exceeded
from bootgrant.configurations.notes import Notes, shared_memory
from bootgrant.configurations.plain import as_plain
from bootgrant.wire.limits import CONFIG

_MOST: Final = 4 * CONFIG
_START_SECONDS: Final = 60.0
_GRACE: Final = 2.0
"""Seconds for a process to say where it was, and for one that is ending to end."""
_INHERITED: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")
_STACK: Final = 64 << 10
_STOPPING: Final = "the server is stopping"
SAY_WHERE: Final = signal.SIGUSR1
"""Makes a worker report where it is, and end."""
END: Final = signal.SIGVTALRM
"""Ends a worker that used its CPU time inside a call into C, where it cannot report anything."""

Help = Callable[[Message, list[bytes]], tuple[Message, Blobs]]
"""Answers a question of the worker."""


class WorkerFailed(Exception):
    """The worker could not be started, or met an unforeseen error. The text is for the log: it may have a traceback."""


class Peer(Protocol):
    """A worker that was started: the socket to it, and the means to end it."""

    @property
    def socket(self) -> socket.socket: ...

    @property
    def notes(self) -> Notes:
        """What it works on."""

    def signal(self, number: int) -> None:
        """Send it a signal; nothing happens if it has ended."""

    def last_words(self) -> str:
        """Wait for its end; return how it ended, and what it wrote to standard error."""

    def end(self) -> None:
        """End it now."""


Start = Callable[[], Peer]

_running: dict[int, subprocess.Popen[bytes]] = {}
_is_over = threading.Event()


def end_workers() -> None:
    """Kill the worker processes, and start no more: this process is ending and must not wait for them."""
    _is_over.set()
    for process in tuple(_running.values()):
        process.kill()


def is_ending() -> bool:
    """Return whether ``end_workers`` was called: what fails now says nothing about the configurations."""
    return _is_over.is_set()


class WorkerProcess:
    """A Peer in a new interpreter, which inherits nothing of the server but the path of its modules."""

    def __init__(self) -> None:
        if is_ending():
            raise WorkerFailed(_STOPPING)
        self.socket, far = socket.socketpair()
        memory = shared_memory()
        self.notes = Notes(memory)
        passed = [far.fileno(), memory]
        command = [sys.executable, "-P", "-B", "-m", "bootgrant.configurations.worker", *map(str, passed)]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=_environment(),
                cwd="/",
                pass_fds=passed,
                start_new_session=True,
            )
        except OSError as error:
            self.socket.close()
            raise WorkerFailed(
                f"the process that works on configurations cannot be started: {error.strerror}"
            ) from None
        finally:
            far.close()
            os.close(memory)
        _running[self._process.pid] = self._process
        self.end = weakref.finalize(self, _end, self._process, self.socket)

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def last_words(self) -> str:
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        status, errors, said = self._process.returncode, self._process.stderr, b""
        if errors is not None and not errors.closed:
            os.set_blocking(errors.fileno(), False)
            said = errors.read(_STACK) or b""
        self.end()
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return f"{how}\n{said.decode('utf-8', 'replace')}"


def _end(process: subprocess.Popen[bytes], end: socket.socket) -> None:
    end.close()
    process.kill()
    process.wait()
    _running.pop(process.pid, None)
    if process.stderr is not None:
        process.stderr.close()


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    if "PYTHONPATH" in kept:
        kept["PYTHONPATH"] = os.pathsep.join(
            str(Path(each).absolute()) for each in kept["PYTHONPATH"].split(os.pathsep)
        )
    return kept | {"LANG": "C.UTF-8", "PYTHONSAFEPATH": "1"}


class Worker:
    """A worker that is ready. Raises WorkerFailed. One thread uses it at a time."""

    def __init__(self, start: Start) -> None:
        self._peer = start()
        self._channel = Channel(self._peer.socket, _MOST)
        try:
            self._channel.receive(time.monotonic() + _START_SECONDS)
        except (ChannelClosed, TimeoutError) as error:
            raise WorkerFailed(f"it did not start: {error} {self._peer.last_words()}") from None

    def ask(
        self, message: Message, blobs: Blobs, limits: EntryLimits, help_with: Help
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Give it a piece of work, and return the outcome. Raises Exceeded and WorkerFailed; it is not used again then.

        ``help_with`` answers what it asks meanwhile; the time that takes does not count.
        """
        try:
            return self._talk(message, blobs, limits, help_with)
        except BaseException:
            # Whatever it does now, nobody reads it.
            self.end()
            raise

    def end(self) -> None:
        self._peer.end()

    def _talk(
        self, message: Message, blobs: Blobs, limits: EntryLimits, help_with: Help
    ) -> tuple[dict[str, Any], list[bytes]]:
        notes = self._peer.notes
        try:
            self._channel.send({**message, "limits": as_plain(limits)}, blobs, time.monotonic() + _START_SECONDS)
            until = time.monotonic() + limits.time
            while True:
                answer, got = self._channel.receive(until)
                if "ask" in answer:
                    left = until - time.monotonic()
                    self._channel.send(*help_with(answer, got), until=time.monotonic() + _START_SECONDS)
                    until = time.monotonic() + left
                else:
                    break
        except TimeoutError:
            answer, got = self._stopped(notes.file), []
        except ChannelClosed:
            if is_ending():
                raise WorkerFailed(_STOPPING) from None
            raise Exceeded(_how(self._peer.last_words()), limits, notes.file, key=notes.key) from None
        if "exceeded" in answer:
            place = str(answer["file"]), int(answer["line"])
            raise Exceeded(str(answer["exceeded"]), limits, *place, key=notes.key)
        if "failed" in answer:
            raise WorkerFailed(str(answer["failed"]))
        return answer, got

    def _stopped(self, file: str) -> dict[str, Any]:
        """Stop it because its time is over; return where it was. Inside a call into C it cannot say so itself."""
        self._peer.signal(SAY_WHERE)
        until = time.monotonic() + _GRACE
        with contextlib.suppress(TimeoutError, ChannelClosed):
            while True:
                answer, _ = self._channel.receive(until)
                if "exceeded" in answer:
                    return answer
        return {"exceeded": "time", "file": file, "line": 0}


def _how(words: str) -> str:
    """Which limit ended a process that did not say so."""
    if words.startswith(f"signal {int(END)}\n"):
        return "cpu"
    return "memory" if "memory allocation" in words else "ended"
