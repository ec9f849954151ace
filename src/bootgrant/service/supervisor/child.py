"""One run of the server, as its supervisor sees it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from enum import Enum, auto

from bootgrant.service.supervisor import messages
from bootgrant.service.supervisor.places import Place


class Stage(Enum):
    """How far a server has come. It may start on the database only when the one before it has ended."""

    LOADING = auto()
    PREPARED = auto()
    STARTING = auto()
    SERVING = auto()


class Child:
    """A process that runs `bootgrant serve --supervised`, with the rest of the command line in ``arguments``.

    ``wanted`` are the places that it asked for, ``refusal`` why it will not serve. Raises OSError if it cannot be run.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.stage = Stage.LOADING
        self.refusal = ""
        self.wanted: set[Place] = set()
        self.is_stopping = False
        self.end_by = float("inf")
        """When this process is killed, on the monotonic clock: set once it should stop, or be prepared."""
        self.channel, far = messages.pair()
        self.channel.setblocking(False)
        far.set_inheritable(True)
        command = [sys.executable, "-P", "-m", "bootgrant", "serve", f"--supervised={far.fileno()}", *arguments]
        try:
            self.pid = os.posix_spawn(sys.executable, command, os.environ)
        except OSError:
            self.channel.close()
            raise
        finally:
            far.close()

    def go(self) -> None:
        """Let it open the database and serve."""
        self.stage = Stage.STARTING
        self.say({"go": True})

    def say(self, message: messages.Message, listeners: Sequence[socket.socket] = ()) -> None:
        """Send it a message. A process that has just died gets none."""
        with contextlib.suppress(OSError):
            messages.send(self.channel, message, listeners)

    def stop(self, seconds: float) -> None:
        """Ask it to end, within ``seconds``."""
        self.is_stopping = True
        self.end_by = min(self.end_by, time.monotonic() + seconds)
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self.end_by = float("inf")
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        # The process cannot be another one: only the supervisor collects its exit status, and forgets it then.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
