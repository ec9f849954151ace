"""A person decides: what waits, what a machine would get, approve, deny."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bootgrant.approval.codes import UserCodes, display_user_code, normalise_user_code
from bootgrant.approval.grant import Decision, DeviceGrant, GrantState, Refusal
from bootgrant.ports.clock import Clock
from bootgrant.ports.config_source import ConfigSource, ConfigUnavailable, MachineEntry
from bootgrant.ports.grant_store import GrantStore
from bootgrant.workflows.admission import Admission

_NO_ENTRY = "no configuration for this machine: add a file named after its uuid, serial or mac"
REASON_LENGTH = 200
"""Characters of a denial's reason; the console shows it on one line."""


@dataclass(frozen=True, slots=True)
class GrantCard:
    """A grant as a person sees it before deciding. ``problem`` says why there is no entry, and what to do.

    ``rivals`` are the addresses from which other requests claim the same uuid, serial or mac at the same time.
    """

    grant: DeviceGrant
    user_code: str
    state: GrantState
    entry: MachineEntry | None
    problem: str = ""
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotDecided:
    """Why nothing changed: ``message`` is one line for a person. ``grant`` is None when no request was found."""

    refusal: Refusal
    message: str
    grant: DeviceGrant | None = None


@dataclass(frozen=True, slots=True)
class DecideGrant:
    store: GrantStore
    source: ConfigSource
    clock: Clock
    codes: UserCodes
    admission: Admission

    async def waiting(self, limit: int = 500) -> Sequence[GrantCard]:
        """What waits for a decision, newest first. Raises StoreUnavailable."""
        return [await self._card(grant) for grant in await self.store.pending_grants(self.clock.now(), limit)]

    async def look_up(self, typed: str) -> GrantCard | None:
        """The request behind a typed user code, whatever its state; None when there is none."""
        letters = normalise_user_code(typed)
        grant = await self.store.find_by_user_code(self.codes.digest(letters)) if letters else None
        return await self._card(grant) if grant else None

    async def show(self, grant_id: str) -> GrantCard | None:
        """The request with this id, whatever its state."""
        grant = await self.store.find_grant(grant_id)
        return await self._card(grant) if grant else None

    async def approve(self, grant_id: str, by: str) -> DeviceGrant | NotDecided:
        """Let the machine in, to the entry that it would get now. Returns once the decision is durable."""
        grant = await self.store.find_grant(grant_id)
        if grant is None:
            return NotDecided(Refusal.UNKNOWN, "no machine asks with this code: it may have asked again with a new one")
        card = await self._card(grant)
        entry = card.entry.name if card.entry else ""
        decision = Decision(by, self.clock.now())
        outcome = await self.store.change_grant(grant_id, lambda stored: stored.approve(decision, entry))
        return await self._told(grant_id, outcome, card.problem)

    async def approve_many(self, grant_ids: Sequence[str], by: str) -> Sequence[DeviceGrant | NotDecided]:
        """Each as by ``approve``, all at once: the store keeps them in few batches. Outcomes in the order asked."""
        return await asyncio.gather(*(self.approve(grant_id, by) for grant_id in grant_ids))

    async def deny(self, grant_id: str, by: str, reason: str) -> DeviceGrant | NotDecided:
        """Refuse the machine. Returns once the decision is durable."""
        decision = Decision(by, self.clock.now(), one_line(reason))
        outcome = await self.store.change_grant(grant_id, lambda stored: stored.deny(decision))
        return await self._told(grant_id, outcome, "")

    async def _told(self, grant_id: str, outcome: DeviceGrant | Refusal, problem: str) -> DeviceGrant | NotDecided:
        if isinstance(outcome, DeviceGrant):
            self.admission.release(grant_id)
            return outcome
        grant = await self.store.find_grant(grant_id)
        return NotDecided(outcome, problem if outcome is Refusal.NO_ENTRY else _why_not(grant, self.clock.now()), grant)

    async def revoke(self, grant_id: str) -> DeviceGrant | NotDecided:
        """End an approval and its token, also one that is in use."""
        now = self.clock.now()
        outcome = await self.store.change_grant(grant_id, lambda stored: stored.revoke(now))
        if isinstance(outcome, DeviceGrant):
            return outcome
        grant = await self.store.find_grant(grant_id)
        return NotDecided(outcome, "there is no approval to take back", grant)

    async def _card(self, grant: DeviceGrant) -> GrantCard:
        now = self.clock.now()
        card = GrantCard(grant, display_user_code(self.codes.of_grant(grant.grant_id)), grant.state_at(now), None)
        if grant.entry:
            return replace(card, entry=MachineEntry(grant.entry, "approved"))
        if card.state is GrantState.PENDING:
            card = replace(card, rivals=await self._rivals(grant, now))
        try:
            entry = await self.source.find_entry(grant.identity)
        except ConfigUnavailable as error:
            return replace(card, problem=str(error))
        return replace(card, entry=entry) if entry else replace(card, problem=_NO_ENTRY)

    async def _rivals(self, grant: DeviceGrant, now: float) -> tuple[str, ...]:
        others = await self.store.live_with(grant.identity, now)
        return tuple(sorted({other.source_address for other in others} - {grant.source_address}))


def one_line(text: str) -> str:
    """A reason as it is stored: printable, one line, bounded."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:REASON_LENGTH]


def _why_not(grant: DeviceGrant | None, now: float) -> str:
    if grant is None:
        return "no machine asks with this code: it may have asked again with a new one"
    if grant.state is GrantState.REPLACED:
        return "the machine asked again and shows a new code: decide about that one"
    if grant.decision is None:
        ago = max(0, round((now - grant.expires_at) / 60))
        return f"this code expired {ago} min ago: the machine shows a new one"
    verb = "denied" if grant.state is GrantState.DENIED else "approved"
    return f"already {verb} by {grant.decision.by}, {max(0, round(now - grant.decision.at))} s ago"
