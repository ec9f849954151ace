"""A connection as uvicorn's path sees it while it answers one request."""

from __future__ import annotations

from asyncio import Transport
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class CycleTransport:
    """Writes to a connection that may be gone by now, and leaves closing it to ``linger`` while the body of the request
    is still arriving."""

    def __init__(self, transport: Transport, cycle: RequestResponseCycle, linger: Callable[[], None]) -> None:
        self._transport = transport
        self._cycle = cycle
        self._linger = linger

    def write(self, data: bytes) -> None:
        # uvloop raises an error if a closed connection is written to.
        if not self._transport.is_closing():
            self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        if self._cycle.more_body and self._cycle.response_complete:
            self._linger()
        else:
            self._transport.close()
