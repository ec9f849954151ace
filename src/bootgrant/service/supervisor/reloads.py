"""Those who asked for a reload, on ``data/control.sock``. Each gets one line: empty when the next server serves."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable


class Reloads:
    """A connection is a request; what it sends is not read."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._listener: socket.socket | None = None
        self._number = -1
        self._waiting: list[socket.socket] = []
        self.again = False
        """Someone asked while a reload was under way."""

    def listen(self, listener: socket.socket, reload: Callable[[], None]) -> None:
        """Take requests on ``listener``, instead of an earlier one."""
        if listener is self._listener:
            return
        self._forget()
        self._listener = listener
        self._number = listener.fileno()
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, lambda: self._accept(listener, reload))

    def _accept(self, listener: socket.socket, reload: Callable[[], None]) -> None:
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            connection.setblocking(False)
            self._waiting.append(connection)
            reload()

    def answer(self, problem: str | None) -> None:
        """Tell those who wait how it ended; none: the next server serves."""
        if self.again:
            return
        for connection in self._waiting:
            with contextlib.suppress(OSError):
                connection.sendall(f"{problem or ''}\n".encode())
            connection.close()
        self._waiting.clear()

    def close(self) -> None:
        """Take no more requests, and leave those who wait without an answer."""
        self._forget()
        for connection in self._waiting:
            connection.close()
        self._waiting.clear()

    def _forget(self) -> None:
        if self._listener is not None:
            # By number: the socket may be closed already, and a new one may have the same number.
            self._selector.unregister(self._number)
        self._listener = None
