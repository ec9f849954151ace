"""Whether a machine asks from where its entry is expected."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from bootgrant.approval.evidence import Check, Verdict
from bootgrant.approval.policy import NetworkNames, is_in
from bootgrant.ports.evidence import Claim

_NAME = "network"


@dataclass(frozen=True, slots=True)
class NetworkEvidence:
    """ports.evidence.EvidenceSource. ``names`` are the site's names of its networks."""

    names: NetworkNames
    name: str = _NAME
    keeps: float = 0.0
    is_quick: bool = True

    async def check(self, claim: Claim) -> Sequence[Check]:
        """One check: the address against the entry's networks."""
        address = claim.grant.source_address
        place = self.names.name_of(address)
        where = f"{address} ({place})" if place else address
        if claim.entry is None:
            return (Check(_NAME, Verdict.UNKNOWN, f"asks from {where}; without an entry no network is expected"),)
        expected = claim.entry.networks
        if not expected:
            told = f"asks from {where}; {claim.entry.name} names no networks where it is expected"
            return (Check(_NAME, Verdict.UNKNOWN, told),)
        if is_in(address, [ipaddress.ip_network(network, strict=False) for network in expected]):
            return (Check(_NAME, Verdict.MATCH, f"asks from {where}, as expected"),)
        told = f"asks from {where}, and {claim.entry.name} is expected in {', '.join(expected)}"
        return (Check(_NAME, Verdict.MISMATCH, told),)
