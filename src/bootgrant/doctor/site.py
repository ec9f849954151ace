"""What the settings of a bootgrant server show before it is asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network

from bootgrant.doctor.findings import Finding, Level, Step


def examine_networks(networks: Sequence[IPv4Network | IPv6Network]) -> Iterator[Finding]:
    """``networks.machines``: the strongest guard against codes that somebody else asked for."""
    for network in networks:
        if network.prefixlen == 0:
            message = f"networks.machines has {network}: everybody may ask for a code and send it to an operator"
            fix = "name the networks where machines boot"
            yield Finding(Step.PARAMETERS, Level.WARNING, "open-networks", message, fix)
