"""Where a request comes from, and whether that is a network that may ask."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from bootgrant.asgi.types import Scope

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_address(scope: Scope) -> Address | None:
    """The address of the connection's other end; None on a Unix socket. IPv4 in IPv6 is IPv4."""
    client = scope.get("client")
    if not client:
        return None
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


class AllowedNetworks:
    """The networks of a setting; an address of another family is in none."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = tuple(networks)

    def __contains__(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)
