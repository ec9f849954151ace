"""An HTTP server for tests of the client: a function answers each request, byte by byte."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as received. Header names are lower case; ``wire`` is the head as it was sent."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    wire: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))


Chunks = Iterable[bytes]
Answer = Callable[[Asked], bytes | Chunks]


def http(status: int, body: bytes = b"", **headers: str) -> bytes:
    """A whole answer. Header names are written with ``_`` for ``-``."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def reply(status: int, value: object, **headers: str) -> bytes:
    """A whole answer in JSON."""
    return http(status, json.dumps(value).encode(), Content_Type="application/json", **headers)


@dataclass(slots=True)
class AnsweringServer:
    """Listens on loopback while entered. ``asked`` has all requests; ``came`` waits for the n-th."""

    answer: Answer
    host: str = "127.0.0.1"
    port: int = 0
    tls: ssl.SSLContext | None = None
    asked: list[Asked] = field(default_factory=list)
    open_connections: int = 0
    _news: threading.Condition = field(default_factory=threading.Condition)
    _socket: socket.socket | None = None

    def __enter__(self) -> Self:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._socket = socket.create_server((self.host, self.port), family=family)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, args=(self._socket,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop listening, so that connections are refused."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()

    @property
    def url(self) -> str:
        name = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{name}:{self.port}"

    def came(self, count: int, seconds: float = 20.0) -> Asked:
        """Wait for the ``count``-th request and return it."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.asked) >= count, seconds), self.asked
            return self.asked[count - 1]

    def targets(self) -> list[str]:
        return [asked.target for asked in self.asked]

    def _listen(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection:
            secured = self.tls.wrap_socket(connection, server_side=True) if self.tls else connection
            with secured, secured.makefile("rb") as stream:
                asked = _read(stream)
                if asked is None:
                    return
                with self._news:
                    self.asked.append(asked)
                    self._news.notify_all()
                self._send(secured, asked)

    def _send(self, connection: socket.socket, asked: Asked) -> None:
        answer = self.answer(asked)
        for chunk in [answer] if isinstance(answer, bytes) else answer:
            if chunk == RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            connection.sendall(chunk)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)


RESET = b"\0reset\0"
"""A chunk that resets the connection instead."""


def _read(stream: Any) -> Asked | None:
    wire = b""
    while not wire.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return None
        wire += line
    first, *lines = wire.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    body = stream.read(int(headers.get("content-length", "0")))
    method, target, _ = first.split(" ")
    return Asked(method, target, headers, body, wire)


def drip(piece: bytes, seconds: float, stop: threading.Event) -> Iterator[bytes]:
    """Yield an endless body, one piece at a time, until ``stop`` is set."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/yaml\r\n\r\n"
    while not stop.wait(seconds):
        yield piece
