"""The server's end of the channel to its supervisor (bootgrant.service.supervisor)."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

from bootgrant import __version__
from bootgrant.service.logs import LogFormat
from bootgrant.service.settings.setting import SettingsError
from bootgrant.service.supervisor import messages
from bootgrant.service.supervisor.places import Place, Tcp


class SupervisorGone(Exception):
    """The supervisor has ended, so nobody needs this server any more."""


class SupervisorChannel:
    """``descriptor`` is the server's end of the channel. Every method but ``watch`` may raise SupervisorGone."""

    def __init__(self, descriptor: int) -> None:
        self._channel = socket.socket(fileno=descriptor)
        os.set_inheritable(descriptor, False)

    def wait_for_turn(self, log_format: LogFormat) -> None:
        """Say that this server could start, and wait until the previous one has ended."""
        self._say({"say": "prepared", "version": __version__, "log": log_format.value})
        self._hear()

    def listener(self, place: Place) -> socket.socket:
        """Return the supervisor's listening socket for a place. Raises SettingsError."""
        self._say({"say": "open", "place": place})
        message, descriptors = self._hear()
        if descriptors:
            return socket.socket(fileno=descriptors[0])
        raise SettingsError(_problem(place, int(message["errno"]), str(message["problem"])))

    def serving(self, control: Path) -> None:
        """Say that every socket is answered, and where requests to reload are taken."""
        self._say({"say": "serving", "control": str(control)})

    def refuse(self, reason: str) -> None:
        """Say why this server is not going to serve."""
        self._say({"say": "refused", "reason": reason})

    def watch(self, loop: asyncio.AbstractEventLoop, gone: Callable[[], None]) -> None:
        """Call ``gone`` when the supervisor has ended."""

        def closed() -> None:
            loop.remove_reader(self._channel)
            gone()

        self._channel.setblocking(False)
        loop.add_reader(self._channel, closed)

    def _say(self, message: messages.Message) -> None:
        try:
            messages.send(self._channel, message)
        except OSError as error:
            raise SupervisorGone from error

    def _hear(self) -> tuple[messages.Message, list[int]]:
        try:
            received = messages.receive(self._channel)
        except OSError as error:
            raise SupervisorGone from error
        if received is None:
            raise SupervisorGone
        return received


def _problem(place: Place, number: int, problem: str) -> str:
    if not isinstance(place, Tcp):
        return f"{place.path} cannot be created: {problem}"
    shown = f"[{place.host}]:{place.port}" if ":" in place.host else f"{place.host}:{place.port}"
    if number == errno.EADDRINUSE:
        return f"{shown} is already in use by another program: stop it, or choose another --listen"
    return f"cannot listen on {shown}: {problem}"
