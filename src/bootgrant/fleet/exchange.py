"""An HTTP client that opens a new connection for each request, as Talos nodes do, and handles thousands at once."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

MAX_ANSWER: Final = 16 * 1024 * 1024
_CONNECT_LIMIT: Final = 30.0
_FOREVER: Final = float("inf")
_BIND_ADDRESS_NO_PORT: Final = 24
"""IP_BIND_ADDRESS_NO_PORT of Linux, which the socket module lacks."""


class ExchangeFailed(Exception):
    """No complete answer; the message is the reason. ``timed_out``: the caller's deadline passed."""

    def __init__(self, reason: str, *, timed_out: bool = False) -> None:
        super().__init__(reason)
        self.timed_out = timed_out


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a server: an IP address and a port, or the path of a Unix socket. ``name`` is its TLS name."""

    host: str
    port: int
    name: str = ""
    tls: ssl.SSLContext | None = None

    @property
    def family(self) -> socket.AddressFamily:
        if self.host.startswith("/"):
            return socket.AF_UNIX
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, with its body decompressed."""

    status: int
    body: bytes


async def exchange(address: Address, request: bytes, give_up_at: float, source: str = "") -> Answer:
    """Send ``request`` from ``source`` before ``give_up_at`` (``time.monotonic``). Raises ExchangeFailed."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Answer] = loop.create_future()
    limit = min(give_up_at - time.monotonic(), _CONNECT_LIMIT)
    transport: asyncio.BaseTransport | None = None
    try:
        async with asyncio.timeout(max(0.0, limit)):
            transport = await _connect(address, source, lambda: _Exchange(request, done))
        async with asyncio.timeout(max(0.0, give_up_at - time.monotonic()) if give_up_at < _FOREVER else None):
            return await done
    except TimeoutError as error:
        raise ExchangeFailed("no answer in time", timed_out=True) from error
    except ssl.SSLError as error:
        raise ExchangeFailed(f"TLS: {error.reason}") from error
    except OSError as error:
        raise ExchangeFailed((error.strerror or type(error).__name__).lower()) from error
    finally:
        if transport is not None:
            transport.close()
        done.cancel()


async def _connect(address: Address, source: str, protocol: Callable[[], _Exchange]) -> asyncio.BaseTransport:
    loop = asyncio.get_running_loop()
    plain = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        plain.setblocking(False)
        if source:
            # The kernel chooses the port when it connects, so that every source can use the whole range.
            plain.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            plain.bind((source, 0))
        await loop.sock_connect(
            plain, address.host if address.family is socket.AF_UNIX else (address.host, address.port)
        )
        tls_name = address.name if address.tls is not None else None
        transport, _ = await loop.create_connection(protocol, sock=plain, ssl=address.tls, server_hostname=tls_name)
    except BaseException:
        plain.close()
        raise
    return transport


class _Exchange(asyncio.Protocol):
    """Writes one request and reads one answer. The parser calls the ``on_`` methods."""

    __slots__ = ("_body", "_done", "_gzipped", "_malformed", "_parser", "_request", "_size")

    def __init__(self, request: bytes, done: asyncio.Future[Answer]) -> None:
        import httptools  # a part of extras: `bootgrant rehearse --help` does without it

        self._request = request
        self._done = done
        self._parser = httptools.HttpResponseParser(self)
        self._malformed = httptools.HttpParserError
        self._body: list[bytes] = []
        self._size = 0
        self._gzipped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.WriteTransport", transport).write(self._request)

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except self._malformed as error:
            self._fail(f"the answer is not HTTP ({type(error).__name__})")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("connection reset" if exc is not None else "connection closed without an answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"content-encoding" and value.strip().lower() == b"gzip":
            self._gzipped = True

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_ANSWER:
            self._fail("the answer is too large")
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._done.done():
            return
        body = b"".join(self._body)
        if self._gzipped:
            body = zlib.decompressobj(wbits=31).decompress(body, MAX_ANSWER)
        self._done.set_result(Answer(status, body))

    def _fail(self, reason: str) -> None:
        if not self._done.done():
            self._done.set_exception(ExchangeFailed(reason))
