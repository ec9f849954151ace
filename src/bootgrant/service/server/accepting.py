"""Accepts connections as long as there is room for them. All others wait in the kernel, and none of them is reset.

uvloop's own server accepts without limit, and closes what it cannot open a descriptor for.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

from bootgrant.asgi.eager import Rest, start
from bootgrant.service.parts.connections import Connections, Place
from bootgrant.service.parts.http_protocol import PatientProtocol
from bootgrant.service.server.tls import ServerTls
from bootgrant.service.supervisor.places import BACKLOG
from bootgrant.wire.limits import REQUEST_SECONDS

log = logging.getLogger("bootgrant")

_AT_ONCE: Final = 32
"""Connections that are accepted before the requests on them are looked at."""
_PAUSE: Final = 0.05
"""Seconds until a full server looks whether it has room again."""


class Acceptor:
    """A listening socket that is being accepted from, with the methods of ``asyncio.Server`` that uvicorn calls."""

    def __init__(
        self,
        listener: socket.socket,
        make_protocol: Callable[[], PatientProtocol],
        tls: ServerTls | None,
        connections: Connections,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._make_protocol = make_protocol
        self._tls = tls
        self._limits = (REQUEST_SECONDS, REQUEST_SECONDS) if tls else (None, None)
        self._connections = connections
        self._pause: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._is_short = False
        self._handshakes: set[object] = set()
        listener.setblocking(False)
        # Another program may have opened it, with a shorter queue.
        listener.listen(BACKLOG)
        self._loop.add_reader(listener, self._accept)

    def close(self) -> None:
        """Accept no more. Connections that were accepted stay open."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._pause is not None:
            self._pause.cancel()
        else:
            self._loop.remove_reader(self._listener)

    async def wait_closed(self) -> None:
        """Return at once: uvicorn waits for the connections itself."""

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            if not self._connections.has_room():
                self._wait()
                return
            try:
                connection, peer = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._wait_for_descriptors(error)
                return
            self._is_short = False
            place = self._connections.admit(connection, peer)
            if place is None:
                connection.close()
            else:
                self._serve(connection, place)

    def _wait_for_descriptors(self, error: OSError) -> None:
        if not self._is_short:
            self._is_short = True
            log.error("connections have to wait: %s", error.strerror)
        self._wait()

    def _wait(self) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(_PAUSE, self._go_on)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._accept)

    def _serve(self, connection: socket.socket, place: Place) -> None:
        outcome = start(self._connect(connection, place))
        if isinstance(outcome, Rest):
            # Nothing else refers to a handshake.
            self._handshakes.add(outcome)
            outcome.then(lambda rest, _: self._handshakes.discard(rest))

    async def _connect(self, connection: socket.socket, place: Place) -> None:
        protocol = self._make_protocol()
        protocol.place = place
        handshake, shutdown = self._limits
        try:
            await self._loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=await self._tls.context_for(connection) if self._tls else None,
                ssl_handshake_timeout=handshake,
                ssl_shutdown_timeout=shutdown,
            )
        except (OSError, TimeoutError):
            # A handshake that failed (ssl.SSLError is an OSError), or a client that is gone already.
            place.leave()
            connection.close()
