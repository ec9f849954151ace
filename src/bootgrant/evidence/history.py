"""Evidence from the past: an installed machine does not ask again, and no machine is in two places at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
_SHOWN: Final = 64


@dataclass(frozen=True, slots=True)
class HistoryEvidence:
    """ports.evidence.EvidenceSource on the audit and on the other live requests."""

    audit: AuditLog
    store: GrantStore
    clock: Clock
    name: str = _NAME
    keeps: float = 1.0
    is_quick: bool = True

    async def check(self, claim: Claim) -> Sequence[Check]:
        """Return what contradicts the machine; one match if nothing does."""
        grant, now = claim.grant, self.clock.now()
        past = await past_in(self.audit, grant.identity, grant.grant_id)
        checks = [
            *_delivered(past, grant.identity),
            *_used_elsewhere(past),
            *_denied(past, now),
            *await self._rivals(claim, now),
            *_burst(past, now),
            *_elsewhere(past, grant.source_address, now),
            *_codes_again(past, now),
        ]
        if checks:
            return checks
        detail = "first request of this machine" if past.is_new else "nothing delivered for its earlier requests"
        return (Check(_NAME, Verdict.MATCH, detail),)

    async def _rivals(self, claim: Claim, now: float) -> list[Check]:
        grant = claim.grant
        checks = []
        for other in await self.store.live_with(grant.identity, now):
            if other.grant_id == grant.grant_id or other.source_address == grant.source_address:
                continue
            shared = " and ".join(_shared(grant.identity, other.identity))
            message = f"a request from {other.source_address} has the same {shared} right now: one is an impostor"
            checks.append(Check(_NAME, Verdict.MISMATCH, message))
        return checks


def _delivered(past: Past, identity: MachineIdentity) -> Iterator[Check]:
    """The last delivery: to this machine, or to one that had another serial, mac or uuid, with both values."""
    if (changed := past.changed(identity)) is not None:
        last, differences = changed
        both = " and ".join(f"{one.name} {_quoted(one.before)} (now {_quoted(one.now)})" for one in differences)
        shared = " and ".join(_shared(identity, last.identity))
        detail = f"{last.entry} went at {_time(last.at)} to a machine with this {shared}, but with {both}"
        yield Check(_NAME, Verdict.MISMATCH, detail, tuple(one.name for one in differences))
    elif past.deliveries:
        last = past.deliveries[0]
        detail = f"received {last.entry} at {_time(last.at)}, at {last.address}"
        yield Check(_NAME, Verdict.MISMATCH, f"{detail}: an installed machine does not ask again. Was it reset?")


def _used_elsewhere(past: Past) -> Iterator[Check]:
    """A token that another computer may have: it counts until people have looked, however long ago it was."""
    if past.elsewhere:
        at, address, asked_from = past.elsewhere[0]
        detail = f"the token of an earlier request from {asked_from} was used at {address}, at {_time(at)}"
        yield Check(_NAME, Verdict.MISMATCH, f"{detail}: another computer may have this configuration")


def _denied(past: Past, now: float) -> Iterator[Check]:
    """A denial, which no rule may overrule for a day."""
    if past.denials and now - past.denials[0][0] < _DAY:
        at, by, reason = past.denials[0]
        yield Check(_NAME, Verdict.MISMATCH, f"denied by {by} at {_time(at)}" + (f": {reason}" if reason else ""))


def _burst(past: Past, now: float) -> Iterator[Check]:
    recent = sum(now - at < _BURST_SECONDS for at, _ in past.requests)
    if recent >= _BURST:
        detail = f"{recent + 1} requests in ten minutes: it restarts again and again, or an attacker is trying"
        yield Check(_NAME, Verdict.MISMATCH, detail)


def _elsewhere(past: Past, address: str, now: float) -> Iterator[Check]:
    for at, place in past.requests:
        if place != address and now - at < _DAY:
            detail = f"an earlier request, at {_time(at)}, was from {place}; this one is from {address}"
            yield Check(_NAME, Verdict.UNKNOWN, detail)
            return


def _codes_again(past: Past, now: float) -> Iterator[Check]:
    """The newest code of another request that a machine, and that a person, presented when it was over."""
    recent = [again for again in past.codes_again if now - again[0] < _DAY]
    by_machine = next(((at, address) for at, by, address in recent if not by), None)
    by_person = next(((at, by) for at, by, _ in recent if by), None)
    if by_machine is not None:
        at, address = by_machine
        verdict = Verdict.MISMATCH if now - at < _BURST_SECONDS else Verdict.UNKNOWN
        detail = f"the code of an earlier request was presented again from {address} at {_time(at)}"
        yield Check(_NAME, verdict, f"{detail}: a second machine may claim to be this one")
    if by_person is not None:
        at, by = by_person
        detail = f"{by} presented the code of an earlier request at {_time(at)}, when it was no longer valid"
        yield Check(_NAME, Verdict.UNKNOWN, f"{detail}: compare the code on the machine's screen")


def _shared(one: MachineIdentity, other: MachineIdentity) -> list[str]:
    theirs = dict(other.strong())
    return [name for name, value in one.strong() if theirs.get(name) == value]


def _quoted(value: str) -> str:
    """A machine's own words in quotes, short enough for one line; the card shows them in full."""
    return f'"{value}"' if len(value) <= _SHOWN else f'"{value[:_SHOWN]}…"'


def _time(at: float) -> str:
    """``2026-11-24 03:10 UTC``."""
    return written_time(at)[:16].replace("T", " ") + " UTC"
