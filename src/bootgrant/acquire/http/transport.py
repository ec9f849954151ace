"""One HTTP/1.1 exchange on one connection: h11 over a socket, with limits on time and size.

The caller provides every header, in order, and decides about redirects. Times are on the monotonic clock.
"""

from __future__ import annotations

import socket
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import h11

from bootgrant import __version__
from bootgrant.acquire.errors import AcquireError, Unreachable
from bootgrant.acquire.http.dial import TransportError, Trouble, connect, resolve, shown_address
from bootgrant.acquire.http.endpoint import Endpoint, proxy_for
from bootgrant.acquire.unpacking import Gunzip, NotPackedError

if TYPE_CHECKING:
    import ssl

USER_AGENT: Final = f"bootgrant/{__version__}"
CONNECT_TIMEOUT: Final = 30.0
HANDSHAKE_TIMEOUT: Final = 10.0
_CHUNK: Final = 64 * 1024
_MAX_HEADER: Final = 64 * 1024
_MAX_INTERIM: Final = 16
_LONGEST_WAIT: Final = 7 * 86400.0

_T = TypeVar("_T")
Headers = tuple[tuple[str, str], ...]


class CertificateError(TransportError):
    """A server's certificate is not accepted; ``error`` explains it to the person at the console."""

    def __init__(self, error: AcquireError) -> None:
        super().__init__(Trouble.CERTIFICATE, str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ``headers`` are complete and in order; texts may contain surrogate escapes."""

    method: str
    endpoint: Endpoint
    headers: Headers
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """One complete answer. Header names are lower case; a body with ``Content-Encoding: gzip`` is decoded."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    address: str = ""

    def header(self, name: str) -> str:
        """The first header with that lower-case name, empty if there is none."""
        return next((value for key, value in self.headers if key == name), "")

    def retry_after(self) -> float:
        """``Retry-After`` in seconds; 0 without one or for a date, because a booting machine's clock may be wrong."""
        value = self.header("retry-after").strip()
        return float(value) if value.isdigit() and len(value) < 10 else 0.0


def get(endpoint: Endpoint, *, accept: str, authorization: str = "") -> Request:
    """A GET request as this client sends it."""
    headers = (
        ("Host", endpoint.host_header),
        ("User-Agent", USER_AGENT),
        ("Accept", accept),
        *((("Authorization", authorization),) if authorization else ()),
        ("Accept-Encoding", "gzip"),
        ("Connection", "close"),
    )
    return Request("GET", endpoint, headers)


def basic(user: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + b64encode(f"{user}:{password}".encode("utf-8", "surrogateescape")).decode()


def unreachable(error: TransportError, endpoint: Endpoint) -> Unreachable:
    """The error for a server with which there was no complete exchange."""
    advice = {
        Trouble.NAME: "check the name in the URL, and DNS",
        Trouble.REFUSED: "check that the server is running and that the port in the URL is right",
        Trouble.UNREACHABLE: "check cable, address and route",
        Trouble.PROXY: "check the proxy",
        Trouble.TLS: "check that this port speaks TLS",
    }
    next_step = advice.get(error.trouble, "check the network and the server")
    return Unreachable(f"cannot reach {endpoint.shown()} ({error.what})", next_step)


class Transport:
    """Makes exchanges. ``ca`` (a PEM file) and ``authorities`` (PEM text) are trusted in addition to the system's
    authorities; ``environ`` names the proxies."""

    def __init__(
        self, *, ca: Path | None = None, environ: Mapping[str, str] | None = None, authorities: str = ""
    ) -> None:
        self._ca = ca
        self._authorities = authorities
        self._environ = environ or {}
        self._context: ssl.SSLContext | None = None

    def exchange(self, request: Request, deadline: float, *, max_body: int) -> Response:
        """Send ``request`` and read the whole answer before ``deadline``.

        Raises TransportError; a body of more than ``max_body`` bytes, decoded or not, is Trouble.TOO_LARGE.
        """
        proxy = proxy_for(request.endpoint, self._environ)
        head = _head(request, proxy)
        with self._connection(request.endpoint, proxy, deadline) as connection:
            return _Wire(connection, deadline).exchange(head, request.body, max_body)

    def _connection(self, endpoint: Endpoint, proxy: Endpoint | None, deadline: float) -> socket.socket:
        dialled = proxy or endpoint
        limit = min(deadline, time.monotonic() + CONNECT_TIMEOUT)
        connection = connect(resolve(dialled.host, dialled.port, limit), limit)
        if endpoint.scheme == "http":
            return connection
        try:
            if proxy is not None:
                _open_tunnel(connection, endpoint, proxy, limit)
            return self._secured(connection, endpoint, deadline)
        except BaseException:
            connection.close()
            raise

    def _secured(self, connection: socket.socket, endpoint: Endpoint, deadline: float) -> socket.socket:
        import ssl  # only an https URL needs it

        from bootgrant.acquire.http import tls

        if self._context is None:
            self._context = tls.client_context(self._ca, self._authorities)
        connection.settimeout(max(0.001, min(HANDSHAKE_TIMEOUT, deadline - time.monotonic())))
        try:
            return self._context.wrap_socket(connection, server_hostname=endpoint.name)
        except ssl.SSLCertVerificationError as error:
            raise CertificateError(tls.explain_certificate(error, endpoint.shown())) from error
        except TimeoutError as error:
            raise TransportError(Trouble.HANDSHAKE_TIMEOUT, "no answer to the TLS handshake") from error
        except ssl.SSLError as error:
            raise TransportError(Trouble.TLS, f"TLS failed ({error.reason or error})") from error
        except (OSError, EOFError) as error:
            raise TransportError(Trouble.RESET, "the connection broke during the TLS handshake") from error


def _head(request: Request, proxy: Endpoint | None) -> h11.Request:
    """The head of the request; a proxy for plain HTTP gets the whole URL (RFC 9112 section 3.2.2)."""
    endpoint = request.endpoint
    target = endpoint.request_target
    try:
        headers = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in request.headers]
        if proxy is not None and endpoint.scheme == "http":
            target = f"http://{endpoint.host_header}".encode() + target
            headers += _proxy_authorization(proxy)
        return h11.Request(method=request.method, target=target, headers=headers)
    except (h11.LocalProtocolError, UnicodeEncodeError) as error:
        raise TransportError(Trouble.PROTOCOL, f"the request cannot be sent ({error})") from error


class _Wire:
    """One connection: h11 over a socket, with a deadline."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._socket = connection
        self._deadline = deadline
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEADER)
        self._received = 0
        try:
            self._local = shown_address(connection.getsockname())
            self._peer = shown_address(connection.getpeername())
        except OSError as error:
            raise TransportError(Trouble.RESET, "the connection broke") from error

    def exchange(self, head: h11.Request, body: bytes, max_body: int) -> Response:
        try:
            self._send([head, h11.Data(data=body), h11.EndOfMessage()] if body else [head, h11.EndOfMessage()])
            answer = self.head()
            content = self._body(answer, max_body)
        except h11.RemoteProtocolError as error:
            if not self._received:
                raise self._trouble(Trouble.CLOSED, "the connection was closed without an answer") from error
            raise self._trouble(Trouble.PROTOCOL, f"the answer is truncated or not HTTP ({error})") from error
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.headers)
        return Response(answer.status_code, bytes(answer.reason).decode("latin-1"), headers, content, self._peer)

    def open_tunnel(self, head: h11.Request) -> int:
        """Ask a proxy for a tunnel and return its status; after a success the connection is the tunnel."""
        try:
            self._send([head, h11.EndOfMessage()])
            return self.head().status_code
        except h11.RemoteProtocolError as error:
            raise self._trouble(Trouble.PROXY, "the proxy does not speak HTTP") from error

    def head(self) -> h11.Response:
        """The head of the final response; interim responses are skipped."""
        for _ in range(_MAX_INTERIM):
            event = self._next()
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                break
        raise self._trouble(Trouble.PROTOCOL, "the server sent no final answer")

    def _body(self, answer: h11.Response, max_body: int) -> bytes:
        declared = next((int(value) for name, value in answer.headers if name == b"content-length"), 0)
        if declared > max_body:
            raise self._trouble(Trouble.TOO_LARGE, f"the answer is larger than {max_body} bytes")
        gzipped = any(n == b"content-encoding" and v.strip().lower() == b"gzip" for n, v in answer.headers)
        gunzip = Gunzip(max_body) if gzipped else None
        parts: list[bytes] = []
        size = 0
        while isinstance(event := self._next(), h11.Data):
            part = self._unpack(gunzip, bytes(event.data)) if gunzip else bytes(event.data)
            size += len(part)
            if size > max_body:
                raise self._trouble(Trouble.TOO_LARGE, f"the answer is larger than {max_body} bytes")
            parts.append(part)
        return b"".join(parts)

    def _unpack(self, gunzip: Gunzip, data: bytes) -> bytes:
        try:
            return gunzip.feed(data)
        except NotPackedError as error:
            raise self._trouble(Trouble.PROTOCOL, "the answer is declared as gzip but is not") from error

    def _send(self, events: list[h11.Request | h11.Data | h11.EndOfMessage]) -> None:
        data = b"".join(self._http.send(event) or b"" for event in events)
        self._bounded(lambda: self._socket.sendall(data))

    def _next(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            data = self._bounded(lambda: self._socket.recv(_CHUNK))
            self._received += len(data)
            self._http.receive_data(data)
        return event

    def _bounded(self, step: Callable[[], _T]) -> _T:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._trouble(Trouble.TIMEOUT, "no complete answer in time")
        self._socket.settimeout(min(left, _LONGEST_WAIT))
        try:
            return step()
        except TimeoutError as error:
            raise self._trouble(Trouble.TIMEOUT, "no complete answer in time") from error
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise self._trouble(Trouble.RESET, f"the connection broke ({reason})") from error

    def _trouble(self, trouble: Trouble, what: str) -> TransportError:
        return TransportError(trouble, what, local=self._local, peer=self._peer)


def _proxy_authorization(proxy: Endpoint) -> list[tuple[bytes, bytes]]:
    if proxy.user is None:
        return []
    return [(b"Proxy-Authorization", basic(proxy.user, proxy.password).encode())]


def _open_tunnel(connection: socket.socket, endpoint: Endpoint, proxy: Endpoint, deadline: float) -> None:
    name = f"[{endpoint.name}]" if ":" in endpoint.name else endpoint.name
    target = f"{name}:{endpoint.port}".encode()
    head = h11.Request(method="CONNECT", target=target, headers=[(b"Host", target), *_proxy_authorization(proxy)])
    status = _Wire(connection, deadline).open_tunnel(head)
    if not 200 <= status < 300:
        raise TransportError(Trouble.PROXY, f"the proxy {proxy.shown()} refused the tunnel (status {status})")
