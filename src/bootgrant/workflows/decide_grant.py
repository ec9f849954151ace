"""A person decides: what waits, what a machine would get, approve, deny."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bootgrant.approval.codes import UserCodes, display_user_code, normalise_user_code
from bootgrant.approval.grant import Decision, DeviceGrant, GrantState, Refusal
from bootgrant.ports.clock import Clock
from bootgrant.ports.config_source import ConfigSource, ConfigUnavailable, MachineEntry
from bootgrant.ports.grant_store import GrantStore

REASON_LENGTH = 200
"""Characters of a denial's reason; the console shows it on one line."""


@dataclass(frozen=True, slots=True)
class GrantCard:
    """A grant as a person sees it before deciding. ``problem`` says why there is no entry, and what to do."""

    grant: DeviceGrant
    user_code: str
    state: GrantState
    entry: MachineEntry | None
    problem: str = ""


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

    async def deny(self, grant_id: str, by: str, reason: str) -> DeviceGrant | NotDecided:
        """Refuse the machine. Returns once the decision is durable."""
        decision = Decision(by, self.clock.now(), one_line(reason))
        outcome = await self.store.change_grant(grant_id, lambda stored: stored.deny(decision))
        return await self._told(grant_id, outcome, "")

    async def _told(self, grant_id: str, outcome: DeviceGrant | Refusal, problem: str) -> DeviceGrant | NotDecided:
        if isinstance(outcome, DeviceGrant):
            return outcome
        grant = await self.store.find_grant(grant_id)
        return NotDecided(outcome, problem if outcome is Refusal.NO_ENTRY else _why_not(grant, self.clock.now()), grant)

    async def _card(self, grant: DeviceGrant) -> GrantCard:
        code = display_user_code(self.codes.of_grant(grant.grant_id))
        state = grant.state_at(self.clock.now())
        if grant.entry:
            return GrantCard(grant, code, state, MachineEntry(grant.entry, "approved"))
        try:
            entry = await self.source.find_entry(grant.identity)
        except ConfigUnavailable as error:
            return GrantCard(grant, code, state, None, str(error))
        problem = "" if entry else "no configuration for this machine: add a file named after its uuid, serial or mac"
        return GrantCard(grant, code, state, entry, problem)


def one_line(text: str) -> str:
    """A reason as it is stored: printable, one line, bounded."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:REASON_LENGTH]


def _why_not(grant: DeviceGrant | None, now: float) -> str:
    if grant is None:
        return "no machine asks with this code: it may have asked again with a new one"
    if grant.decision is None:
        ago = max(0, round((now - grant.expires_at) / 60))
        return f"this code expired {ago} min ago: the machine shows a new one"
    verb = "denied" if grant.state is GrantState.DENIED else "approved"
    return f"already {verb} by {grant.decision.by}, {max(0, round(now - grant.decision.at))} s ago"
