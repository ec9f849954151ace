"""Where a request comes from, and whether that is a network that may ask."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from bootgrant.asgi.types import Scope

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_address(scope: Scope) -> Address | None:
    """The address of the connection's other end; None on a Unix socket. IPv4 in IPv6 is IPv4."""
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
    """The networks of a setting; an address of another family is in none."""

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
