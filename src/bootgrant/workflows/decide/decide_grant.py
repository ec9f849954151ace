"""A person decides: approve, deny, take back. One of two wins; the other is told who decided, and when."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bootgrant.approval.evidence import Check
from bootgrant.approval.grant import Decision, DeviceGrant, GrantState, Refusal, Terms
from bootgrant.approval.operators import Actor
from bootgrant.ports.configurations import ConfigSource, ConfigUnavailable, MachineEntry
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.time import Clock
from bootgrant.workflows.decide.grant_cards import NO_ENTRY, GrantCard, GrantCards
from bootgrant.workflows.limits.admission import Admission
from bootgrant.workflows.record import audit as audit_events

REASON_LENGTH = 200
"""Characters of a denial's reason; the console shows it on one line."""

APPROVED = frozenset({GrantState.APPROVED, GrantState.REDEEMED, GrantState.DELIVERED})
"""What an approval that can be taken back becomes."""

_NOT_CLEAN = "something about this machine has changed since the list was shown: look at it by itself"
_UNKNOWN = "no machine asks with this code: it may have asked again with a new one"


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
    cards: GrantCards
    admission: Admission

    async def waiting(self, limit: int = 500) -> Sequence[GrantCard]:
        """What waits for a decision, newest first. Raises StoreUnavailable."""
        return await self.cards.waiting(limit)

    async def look_up(self, typed: str) -> GrantCard | None:
        """The request behind a typed user code, whatever its state; None when there is none."""
        return await self.cards.look_up(typed)

    async def show(self, grant_id: str) -> GrantCard | None:
        """The request with this id, whatever its state."""
        return await self.cards.show(grant_id)

    async def approve(
        self, grant_id: str, actor: Actor, seen: str = "", *, as_batch: bool = False
    ) -> DeviceGrant | NotDecided:
        """Let the machine in, to the entry that it would get now. Returns once the decision is durable.

        ``seen`` is the fingerprint of the entry that the person saw: another one is not approved by it. ``as_batch``
        leaves what needs a look of its own (GrantCard.may_be_approved_in_a_batch). Where several people are needed,
        the grant that is returned still waits, with this vote in it.
        """
        grant = await self.store.find_grant(grant_id)
        if grant is None:
            return NotDecided(Refusal.UNKNOWN, _UNKNOWN)
        card = await self.cards.brief(grant)
        refused = _not_for(actor, card, seen) if card.state is GrantState.PENDING else None
        if refused is not None:
            return refused
        if as_batch and card.state is GrantState.PENDING and not card.may_be_approved_in_a_batch:
            return NotDecided(Refusal.ENTRY_CHANGED, _NOT_CLEAN, grant)
        return await self.approve_card(card, audit_events.decision_of(actor, self.clock.now()))

    async def approve_card(self, card: GrantCard, decision: Decision) -> DeviceGrant | NotDecided:
        """Approve what the card shows. Who may do so was asked before."""
        grant, entry = card.grant, card.entry
        sha256 = ""
        if entry is not None and card.state is GrantState.PENDING:
            digest = await self._digest(card, entry)
            if isinstance(digest, NotDecided):
                return digest
            sha256 = digest
        name, fingerprint, revision = (entry.name, entry.fingerprint, entry.revision) if entry else ("", "", "")
        counts = await self.cards.voters.for_labels(entry.labels) if entry and card.needed > 1 else None
        terms = Terms(card.needed, fingerprint, sha256, revision)
        outcome = await self.store.change_grant(
            grant.grant_id,
            lambda stored: (stored.with_votes_that(counts) if counts else stored).approve(decision, name, terms),
            audit=audit_events.decided(decision, name, revision, sha256, card.evidence),
        )
        return await self._told(grant.grant_id, outcome, card.problem)

    async def approve_many(
        self, chosen: Sequence[tuple[str, str]], actor: Actor, *, as_batch: bool = False
    ) -> Sequence[DeviceGrant | NotDecided]:
        """Each pair of id and ``seen`` as by ``approve``, all at once: the store keeps them in few batches.

        Outcomes in the order asked.
        """
        return await asyncio.gather(
            *(self.approve(grant_id, actor, seen, as_batch=as_batch) for grant_id, seen in chosen)
        )

    async def deny(self, grant_id: str, actor: Actor, reason: str) -> DeviceGrant | NotDecided:
        """Refuse the machine. Returns once the decision is durable."""
        grant = await self.store.find_grant(grant_id)
        if grant is None:
            return NotDecided(Refusal.UNKNOWN, _UNKNOWN)
        card = await self.cards.brief(grant)
        if card.state is GrantState.PENDING and (refused := _not_for(actor, card)) is not None:
            return refused
        decision = audit_events.decision_of(actor, self.clock.now(), one_line(reason))
        name, revision = (card.entry.name, card.entry.revision) if card.entry else ("", "")
        evidence: tuple[Check, ...] = card.evidence
        outcome = await self.store.change_grant(
            grant_id,
            lambda stored: stored.deny(decision),
            audit=audit_events.decided(decision, name, revision, "", evidence),
        )
        return await self._told(grant_id, outcome, "")

    async def revoke(self, grant_id: str, actor: Actor) -> DeviceGrant | NotDecided:
        """End an approval and its token, also one that is in use."""
        grant = await self.store.find_grant(grant_id)
        if grant is not None and not actor.may_decide_about(await self._labels(grant.entry)):
            return _not_allowed(actor, grant)
        now = self.clock.now()
        outcome = await self.store.change_grant(
            grant_id, lambda stored: stored.revoke(now), audit=audit_events.revoked(now, str(actor), actor.via)
        )
        if isinstance(outcome, DeviceGrant):
            return outcome
        grant = await self.store.find_grant(grant_id)
        state = f": the request is {grant.state.value}" if grant else ""
        return NotDecided(outcome, f"there is no approval to take back{state}", grant)

    async def may_revoke(self, card: GrantCard, actor: Actor) -> bool:
        """Whether there is an approval to take back, of a machine that ``actor`` may decide about."""
        return card.state in APPROVED and actor.may_decide_about(await self._labels(card.grant.entry))

    async def _labels(self, entry_name: str) -> Mapping[str, str]:
        """The labels of an entry, none when it cannot be read: whoever has no limits may act also then."""
        try:
            entry = await self.source.named_entry(entry_name) if entry_name else None
        except ConfigUnavailable:
            return {}
        return entry.labels if entry else {}

    async def _digest(self, card: GrantCard, entry: MachineEntry) -> str | NotDecided:
        """The SHA-256 of what the machine would get now: what cannot be made is not approved."""
        try:
            rendered = await self.source.render(entry.name, card.grant.identity)
        except ConfigUnavailable as error:
            return NotDecided(Refusal.NO_CONFIG, f"its configuration cannot be made: {error}", card.grant)
        if rendered is None:
            return NotDecided(Refusal.NO_ENTRY, NO_ENTRY, card.grant)
        if rendered.entry.fingerprint != entry.fingerprint:
            told = "what this machine would get has changed just now: look at it again"
            return NotDecided(Refusal.ENTRY_CHANGED, told, card.grant)
        return rendered.sha256

    async def _told(self, grant_id: str, outcome: DeviceGrant | Refusal, problem: str) -> DeviceGrant | NotDecided:
        if isinstance(outcome, DeviceGrant):
            if outcome.state is not GrantState.PENDING:
                self.admission.release(grant_id)
            return outcome
        grant = await self.store.find_grant(grant_id)
        told = _OWN_WORDS.get(outcome) or (problem if outcome is Refusal.NO_ENTRY else "")
        return NotDecided(outcome, told or _why_not(grant, self.clock.now()), grant)


_OWN_WORDS = {
    Refusal.SAME_PERSON: "your approval counts already, and somebody else has to approve as well "
    "(all who use the admin socket count as one person)",
    Refusal.NEEDS_PEOPLE: "this machine needs two people: no rule and no token of `bootgrant tokens` can approve it, "
    "only people and the tokens that they make for themselves",
}


def _not_for(actor: Actor, card: GrantCard, seen: str = "") -> NotDecided | None:
    """Why this person's decision does not count here; None when it does."""
    labels = card.entry.labels if card.entry else {}
    if not actor.may_decide_about(labels):
        return _not_allowed(actor, card.grant)
    if seen and (card.entry is None or card.entry.fingerprint != seen):
        told = "what this machine would get has changed since the page was shown: look at it again"
        return NotDecided(Refusal.ENTRY_CHANGED, told, card.grant)
    if card.needed > 1 and not actor.author.name:
        return NotDecided(Refusal.NEEDS_PEOPLE, _OWN_WORDS[Refusal.NEEDS_PEOPLE], card.grant)
    return None


def _not_allowed(actor: Actor, grant: DeviceGrant) -> NotDecided:
    limits = ", ".join(map(str, actor.labels))
    told = f"you may decide about machines with {limits} only" if limits else "you may look, not decide"
    return NotDecided(Refusal.NOT_ALLOWED, told, grant)


def one_line(text: str) -> str:
    """A reason as it is stored: printable, one line, bounded."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:REASON_LENGTH]


def _why_not(grant: DeviceGrant | None, now: float) -> str:
    if grant is None:
        return _UNKNOWN
    if grant.state is GrantState.REPLACED:
        return "the machine asked again and shows a new code: decide about that one"
    if grant.decision is None:
        ago = max(0, round((now - grant.expires_at) / 60))
        return f"this code expired {ago} min ago: the machine shows a new one"
    verb = "denied" if grant.state is GrantState.DENIED else "approved"
    return f"already {verb} by {grant.decision.by}, {max(0, round(now - grant.decision.at))} s ago"
