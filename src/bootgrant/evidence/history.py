"""What a machine's past and its rivals say: who has its configuration does not ask, and nobody is in two places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bootgrant.approval.audit import Past, written_time
from bootgrant.approval.evidence import Check, Verdict
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.evidence import Claim, past_in
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.time import Clock
from bootgrant.wire.identity import MachineIdentity

_NAME: Final = "history"
_BURST: Final = 5
_BURST_SECONDS: Final = 600.0
_DAY: Final = 86400.0


@dataclass(frozen=True, slots=True)
class HistoryEvidence:
    """ports.evidence.EvidenceSource, on the audit and on who else waits."""

    audit: AuditLog
    store: GrantStore
    clock: Clock
    name: str = _NAME
    keeps: float = 1.0
    is_quick: bool = True

    async def check(self, claim: Claim) -> Sequence[Check]:
        """What speaks against the machine; a match when nothing does."""
        grant, now = claim.grant, self.clock.now()
        past = await past_in(self.audit, grant.identity, grant.grant_id)
        checks = [
            *_delivered(past),
            *_denied(past, now),
            *await self._rivals(claim, now),
            *_burst(past, now),
            *_elsewhere(past, grant.source_address, now),
        ]
        if checks:
            return checks
        told = "asks for the first time" if past.is_new else "has asked before, from here, and got nothing yet"
        return (Check(_NAME, Verdict.MATCH, told),)

    async def _rivals(self, claim: Claim, now: float) -> list[Check]:
        grant = claim.grant
        checks = []
        for other in await self.store.live_with(grant.identity, now):
            if other.grant_id == grant.grant_id or other.source_address == grant.source_address:
                continue
            shared = " and ".join(_shared(grant.identity, other.identity))
            told = (
                f"the same {shared} asks from {other.source_address} at this moment: one of the two is not this machine"
            )
            checks.append(Check(_NAME, Verdict.MISMATCH, told))
        return checks


def _delivered(past: Past) -> list[Check]:
    if not past.deliveries:
        return []
    last = past.deliveries[0]
    told = (
        f"got {last.entry} at {_shown(last.at)}, to {last.address}, and asks again: "
        "a machine that is installed does not. Was it reset?"
    )
    return [Check(_NAME, Verdict.MISMATCH, told)]


def _denied(past: Past, now: float) -> list[Check]:
    """A person said no: no rule says yes behind their back."""
    if not past.denials or now - past.denials[0][0] >= _DAY:
        return []
    at, by, reason = past.denials[0]
    told = f"was refused by {by} at {_shown(at)}" + (f": {reason}" if reason else "")
    return [Check(_NAME, Verdict.MISMATCH, told)]


def _burst(past: Past, now: float) -> list[Check]:
    recent = [at for at, _ in past.requests if now - at < _BURST_SECONDS]
    if len(recent) < _BURST:
        return []
    told = f"asked {len(recent) + 1} times in ten minutes: it restarts again and again, or somebody tries"
    return [Check(_NAME, Verdict.MISMATCH, told)]


def _elsewhere(past: Past, address: str, now: float) -> list[Check]:
    other = next(((at, place) for at, place in past.requests if place != address and now - at < _DAY), None)
    if other is None:
        return []
    return [Check(_NAME, Verdict.UNKNOWN, f"asked from {other[1]} at {_shown(other[0])}, and now from {address}")]


def _shared(one: MachineIdentity, other: MachineIdentity) -> list[str]:
    return [name for name in one.STRONG if getattr(one, name) and getattr(one, name) == getattr(other, name)]


def _shown(at: float) -> str:
    """``2026-11-24 03:10 UTC``."""
    return written_time(at)[:16].replace("T", " ") + " UTC"
