"""Evidence from the network: whether a machine asks from where its entry expects it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from bootgrant.approval.evidence import Check, Verdict
from bootgrant.approval.policy import NetworkNames, is_in
from bootgrant.ports.evidence import Claim


@dataclass(frozen=True, slots=True)
class NetworkEvidence:
    """ports.evidence.EvidenceSource. ``names`` are the site's names for its networks."""

    names: NetworkNames
    name: str = "network"
    keeps: float = 0.0
    is_quick: bool = True

    async def check(self, claim: Claim) -> Sequence[Check]:
        """Compare the address with the entry's networks."""
        verdict, detail = self._compare(claim)
        return (Check(self.name, verdict, detail),)

    def _compare(self, claim: Claim) -> tuple[Verdict, str]:
        address, entry = claim.grant.source_address, claim.entry
        place = self.names.name_of(address)
        where = f"{address} ({place})" if place else address
        if entry is None:
            return Verdict.UNKNOWN, f"request from {where}; without an entry, no network is expected"
        if not entry.networks:
            return Verdict.UNKNOWN, f"request from {where}; {entry.name} specifies no networks"
        if is_in(address, [ipaddress.ip_network(network, strict=False) for network in entry.networks]):
            return Verdict.MATCH, f"request from {where}, as expected"
        return (Verdict.MISMATCH, f"request from {where}, but {entry.name} is expected in {', '.join(entry.networks)}")
