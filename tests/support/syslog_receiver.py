"""A syslog server on loopback, which reads messages with their lengths (RFC 5425), with or without TLS."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

HEADER = re.compile(
    r"<(?P<priority>\d+)>1 (?P<at>\S+) (?P<host>\S+) (?P<app>\S+) (?P<process>\S+) (?P<kind>\S+) "
    r"(?P<structured>-|\[.*?\]) (?P<text>.*)",
    re.DOTALL,
)


@dataclass(slots=True)
class SyslogReceiver:
    """Listens while entered. ``messages`` has what was read, once a connection has ended in order.

    ``before_close`` is called with the connection before that; what it raises as OSError resets the connection.
    """

    tls: ssl.SSLContext | None = None
    before_close: Callable[[], None] = lambda: None
    messages: list[str] = field(default_factory=list)
    _news: threading.Condition = field(default_factory=threading.Condition)
    _socket: socket.socket = field(init=False)

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    def came(self, count: int, seconds: float = 30.0) -> list[str]:
        """Wait for ``count`` messages and return all of them."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.messages) >= count, seconds), self.messages
            return list(self.messages)

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            secured = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
            with secured, secured.makefile("rb") as stream:
                found = _messages(stream.read())
                self.before_close()
                with self._news:
                    self.messages += found
                    self._news.notify_all()


def _messages(content: bytes) -> list[str]:
    found = []
    while content:
        length, _, rest = content.partition(b" ")
        found.append(rest[: int(length)].decode("ascii"))
        content = rest[int(length) :]
    return found
