"""The address behind a trusted proxy: ``X-Forwarded-For``, or ``Forwarded`` (RFC 7239), counted from the right.

Each trusted proxy appends the address it was called from. From the right, the first address that is not a trusted
proxy is the client; what stands further left is the client's own invention. With no trusted proxy nothing is read.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from bootgrant.asgi.client_address import AllowedNetworks, client_address
from bootgrant.asgi.types import App, Receive, Scope, Send

# One parameter of an element, and what ends it; a value in quotes may hold commas, and be a client's invention.
_PARAMETER = re.compile(r"""\s*([^\s=;,"]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;,\s"]+)\s*([;,]|$)""")


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """The proxies of a site; none of them is believed more than the others."""

    proxies: AllowedNetworks

    @classmethod
    def none(cls) -> TrustedProxies:
        return cls(AllowedNetworks(()))

    def before(self, app: App) -> App:
        """``app``, which sees the client's address."""

        async def resolved(scope: Scope, receive: Receive, send: Send) -> None:
            await app(self.resolve(scope), receive, send)

        return resolved

    def resolve(self, scope: Scope) -> Scope:
        """The request as the client's own, when a trusted proxy passed it on."""
        if self.proxies and client_address(scope) in self.proxies:
            return {**scope, "client": self._client(scope)}
        return scope

    def _client(self, scope: Scope) -> tuple[str, int] | None:
        """The nearest address that is no trusted proxy; the last proxy's own when all are, or one is unreadable."""
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
    """Addresses in the order in which they were appended; ``X-Forwarded-For`` when both headers are there."""
    chain = ",".join(_lines(scope, b"x-forwarded-for"))
    if chain:
        return chain.split(",")
    return [hop for line in _lines(scope, b"forwarded") for hop in _forwarded(line)]


def _lines(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _forwarded(line: str) -> list[str]:
    """The ``for`` of each element, empty for one that has none; one empty hop for a line that is not well formed."""
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
    """An address in one of its usual forms: bare, with a port, or in brackets; None for anything else."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
