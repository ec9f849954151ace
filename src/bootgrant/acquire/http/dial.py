"""Connections within a deadline: DNS lookups that cannot hang, and addresses tried in parallel (RFC 8305)."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from enum import Enum
from typing import Final

_NEXT_ATTEMPT: Final = 0.25
"""Seconds to wait for an answer before the next address is also tried (RFC 8305 section 5)."""

Address = tuple[socket.AddressFamily, tuple[object, ...]]


class Trouble(Enum):
    """How an exchange can fail before there is a complete answer."""

    NAME = "name"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    HANDSHAKE_TIMEOUT = "handshake timeout"
    RESET = "reset"
    CLOSED = "closed"
    TLS = "tls"
    CERTIFICATE = "certificate"
    PROTOCOL = "protocol"
    TOO_LARGE = "too large"
    PROXY = "proxy"


class TransportError(Exception):
    """``what`` failed. ``local`` and ``peer`` are ``address:port``; for Trouble.NAME ``peer`` is the name."""

    def __init__(self, trouble: Trouble, what: str, *, local: str = "", peer: str = "") -> None:
        super().__init__(what)
        self.trouble = trouble
        self.what = what
        self.local = local
        self.peer = peer


def resolve(host: str, port: int, deadline: float) -> list[Address]:
    """Look up the addresses of ``host`` before ``deadline`` (monotonic clock). Raises TransportError.

    The C library's resolver takes no timeout, so it runs in a thread that is abandoned at the deadline.
    """
    address, percent, zone = host.partition("%")
    if percent:
        return [(family, (*where[:3], _zone_index(zone))) for family, where in _lookup(address, port)]
    if ":" in host or host.replace(".", "").isdigit():
        return _lookup(host, port)
    import threading

    found: list[Address] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            found.extend(_lookup(host, port))
        except (TransportError, OSError) as error:
            errors.append(error)

    worker = threading.Thread(target=run, daemon=True)
    worker.start()
    worker.join(max(0.0, deadline - time.monotonic()))
    if errors:
        raise errors[0]
    if not found:
        raise TransportError(Trouble.NAME, f"DNS did not answer for {host}", peer=host)
    return found


def _zone_index(zone: str) -> int:
    """The interface of a zone id (RFC 4007 section 11.2)."""
    try:
        return int(zone) if zone.isdigit() else socket.if_nametoindex(zone)
    except (OSError, UnicodeError, ValueError) as error:
        raise TransportError(Trouble.NAME, f"this machine has no interface {zone}", peer=zone) from error


def _lookup(host: str, port: int) -> list[Address]:
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else "it is not a host name"
        raise TransportError(Trouble.NAME, f"cannot find {host} in DNS ({reason})", peer=host) from error
    return [(family, address) for family, _, _, _, address in entries]


def connect(addresses: list[Address], deadline: float) -> socket.socket:
    """Return the first connection that succeeds. Raises TransportError with the last failure."""
    waiting = list(addresses)
    last: TransportError | None = None
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or selector.get_map():
                if waiting:
                    last = _start(selector, waiting.pop(0)) or last
                pause = min(_NEXT_ATTEMPT, deadline - time.monotonic()) if waiting else deadline - time.monotonic()
                for key, _ in selector.select(max(0.0, pause)):
                    outcome = _finish(selector, key)
                    if isinstance(outcome, socket.socket):
                        return outcome
                    last = outcome
                if time.monotonic() >= deadline:
                    break
        finally:
            for key in list((selector.get_map() or {}).values()):
                selector.unregister(key.fileobj)
                _socket(key).close()
    peer = shown_address(addresses[0][1])
    raise last or TransportError(Trouble.TIMEOUT, "no answer to the connection attempt", peer=peer)


def _start(selector: selectors.BaseSelector, address: Address) -> TransportError | None:
    try:
        attempt = socket.socket(address[0], socket.SOCK_STREAM)
    except OSError as error:
        return _failed(error.errno or 0, address)
    attempt.setblocking(False)
    code = attempt.connect_ex(address[1])
    if code not in {0, errno.EINPROGRESS}:
        attempt.close()
        return _failed(code, address)
    selector.register(attempt, selectors.EVENT_WRITE, address)
    return None


def _finish(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> socket.socket | TransportError:
    attempt = _socket(key)
    selector.unregister(attempt)
    code = attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        attempt.close()
        return _failed(code, key.data)
    _keep_alive(attempt)
    return attempt


def _socket(key: selectors.SelectorKey) -> socket.socket:
    assert isinstance(key.fileobj, socket.socket)  # noqa: S101 - only sockets are registered here
    return key.fileobj


def _failed(code: int, address: Address) -> TransportError:
    trouble = Trouble.REFUSED if code == errno.ECONNREFUSED else Trouble.UNREACHABLE
    return TransportError(trouble, os.strerror(code).lower(), peer=shown_address(address[1]))


def shown_address(address: tuple[object, ...]) -> str:
    """A socket's address as ``host:port``, with IPv6 in brackets."""
    host, port = str(address[0]), address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _keep_alive(connection: socket.socket) -> None:
    """Notice within half a minute, instead of at its deadline, that the server of a held request has vanished."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, option):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
