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


def examine_provider(name: str, problem: str) -> Finding:
    """One of ``[[providers]]``; ``problem`` is what kept it from being asked, empty when nothing did."""
    if not problem:
        return Finding(Step.DISCOVERY, Level.OK, "outside-provider", f"the provider {name} gives what is needed")
    fix = "put it right in [[providers]] of bootgrant.toml, or at the provider; until then its tokens get 503"
    return Finding(Step.DISCOVERY, Level.ERROR, "outside-provider-unusable", f"the provider {name}: {problem}", fix)
