"""The site's names for its networks (``networks.names``)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

from bootgrant.approval.policy import Network


class NetworkNames:
    """``named`` maps a name to its networks. An address has the name of the smallest network that it is in."""

    def __init__(self, named: Mapping[str, Sequence[Network]]) -> None:
        pairs = [(network, name) for name, networks in named.items() for network in networks]
        self._smallest_first = sorted(pairs, key=lambda pair: (-pair[0].prefixlen, pair[1]))

    def name_of(self, address: str) -> str:
        """The name of the network that the address is in; empty when it is in none that has a name."""
        try:
            place = ipaddress.ip_address(address)
        except ValueError:
            return ""
        return next((name for network, name in self._smallest_first if place in network), "")


NO_NAMES = NetworkNames({})
