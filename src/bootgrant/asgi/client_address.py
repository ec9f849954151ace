"""Which client a request comes from, also behind trusted proxies, and whether its network is allowed.

Behind a proxy the address is in ``X-Forwarded-For`` or ``Forwarded`` (RFC 7239). Each trusted proxy appends the address
it was called from, so the list is read from the right: the first address that is not a trusted proxy is the client.
Anything further left was written by the client. Without trusted proxies neither header is read.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from bootgrant.asgi import App, Receive, Scope, Send

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# One parameter of an element and its terminator. A quoted value may contain commas and may be forged by the client.
_PARAMETER = re.compile(r"""\s*([^\s=;,"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;,\s"]+)\s*([;,]|$)""")


def client_address(scope: Scope) -> Address | None:
    """Return the peer address of the connection, or None on a Unix socket. IPv4-mapped IPv6 becomes IPv4."""
    client = scope.get("client")
    return _parse(client[0]) if client else None


@lru_cache(maxsize=8192)
def _parse(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


class AllowedNetworks:
    """The networks of one setting, with a cache of recent answers."""

    _REMEMBERED = 8192

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)
        self._answers: dict[Address, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: Address | None) -> bool:
        if address is None:
            return False
        known = self._answers.get(address)
        if known is None:
            if len(self._answers) >= self._REMEMBERED:
                self._answers.clear()
            known = self._answers[address] = any(address in network for network in self._networks)
        return known


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The proxies of a site. All of them are trusted equally."""

    proxies: AllowedNetworks

    @classmethod
    def none(cls) -> TrustedProxies:
        return cls(AllowedNetworks(()))

    def before(self, app: App) -> App:
        """Return ``app`` wrapped so that it sees the client's address."""

        async def resolved(scope: Scope, receive: Receive, send: Send) -> None:
            await app(self.resolve(scope), receive, send)

        return resolved

    def resolve(self, scope: Scope) -> Scope:
        """Return the scope with the client's own address if a trusted proxy forwarded the request."""
        if self.proxies and client_address(scope) in self.proxies:
            return {**scope, "client": self._client(scope)}
        return scope

    def _client(self, scope: Scope) -> tuple[str, int] | None:
        """Return the nearest address that is not a trusted proxy.

        If all of them are trusted, or one cannot be read, return the last proxy before that point.
        """
        nearest: tuple[str, int] | None = scope["client"]
        for hop in reversed(_hops(scope)):
            address = _address(hop)
            if address is None:
                return nearest
            nearest = (address, 0)
            if client_address({"client": nearest}) not in self.proxies:
                return nearest
        return nearest


def _hops(scope: Scope) -> list[str]:
    """Return the addresses in the order they were appended. ``X-Forwarded-For`` wins over ``Forwarded``."""
    chain = ",".join(_lines(scope, b"x-forwarded-for"))
    if chain:
        return chain.split(",")
    return [hop for line in _lines(scope, b"forwarded") for hop in _forwarded(line)]


def _lines(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _forwarded(line: str) -> list[str]:
    """Return the ``for`` of each element, "" for an element without one. A malformed line is one empty hop."""
    hops: list[str] = []
    at, hop = 0, ""
    while at < len(line):
        parameter = _PARAMETER.match(line, at)
        if parameter is None:
            return [""]
        name, value, end = parameter.groups()
        if name.lower() == "for":
            if hop:
                return [""]
            hop = value.strip('"')
        if end != ";":
            hops.append(hop)
            hop = ""
        at = parameter.end()
    return [*hops, ""] if line.endswith((";", ",")) else hops


def _address(hop: str) -> str | None:
    """Parse a bare address, one with a port, or one in brackets. Return None for anything else."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
