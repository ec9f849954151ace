"""A person decides: approve, deny, revoke. When two people decide at once, the second one learns who was first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bootgrant.approval.decision import Decision, Terms
from bootgrant.approval.grant import DeviceGrant, Refusal
from bootgrant.approval.operators import Actor
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.configurations import ConfigSource, ConfigUnavailable, MachineEntry
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.time import Clock
from bootgrant.workflows.decide.grant_cards import NO_ENTRY, GrantCard, GrantCards
from bootgrant.workflows.limits.admission import Admission
from bootgrant.workflows.record import audit

REASON_LENGTH: Final = 200
"""Longest reason of a denial, in characters; the console shows it on one line."""

APPROVED: Final = frozenset({GrantState.APPROVED, GrantState.REDEEMED, GrantState.DELIVERED})
"""The states of an approval that can be revoked."""

_LOST_RIGHTS: Final = "a person who approved it lost the right to do so at that moment"
_NOT_NOW: Final = "the server cannot read the machine configurations right now: try again in a moment"
_UNKNOWN: Final = "no machine has this code: look for a newer code on its screen"


@dataclass(frozen=True, slots=True)
class NotDecided:
    """Why nothing changed; ``message`` is one line for a person. ``grant`` is None when no request was found."""

    refusal: Refusal
    message: str
    grant: DeviceGrant | None = None


@dataclass(frozen=True, slots=True)
class DecideGrant:
    """Decisions return once they are durable. Every method may raise StoreUnavailable."""

    store: GrantStore
    source: ConfigSource
    clock: Clock
    cards: GrantCards
    admission: Admission

    async def approve(
        self, grant_id: str, actor: Actor, seen: str = "", *, as_batch: bool = False
    ) -> DeviceGrant | NotDecided:
        """Approve the machine for the entry that it would get now.

        ``seen`` is the fingerprint of the entry that the person saw: a different one is not approved. ``as_batch``
        refuses requests that a person must look at one by one (GrantCard.may_be_approved_in_a_batch). Where more people
        are needed, the returned grant is still pending and has this vote.
        """
        grant = await self.store.find_grant(grant_id)
        if grant is None:
            return NotDecided(Refusal.UNKNOWN, _UNKNOWN)
        card = await self.cards.brief(grant)
        if card.state is GrantState.PENDING:
            if card.problem_passes:
                return NotDecided(Refusal.UNAVAILABLE, _NOT_NOW, grant)
            if (refused := _refused(actor, card, seen)) is not None:
                return refused
            if as_batch and card.entry is not None and (obstacle := card.batch_obstacle):
                return NotDecided(Refusal.NOT_IN_BATCH, obstacle, grant)
        return await self.approve_card(card, Decision(actor.author, self.clock.now()))

    async def approve_card(self, card: GrantCard, decision: Decision) -> DeviceGrant | NotDecided:
        """Approve what the card shows. The caller has checked that the author may decide about it."""
        grant, entry = card.grant, card.entry
        sha256 = ""
        if entry is not None and card.state is GrantState.PENDING:
            digest = await self._digest(card, entry)
            if isinstance(digest, NotDecided):
                return digest
            sha256 = digest
        name, fingerprint, revision = (entry.name, entry.fingerprint, entry.revision) if entry else ("", "", "")
        counts = await self.cards.votes.for_labels(entry.labels) if entry and card.needed > 1 else None
        terms = Terms(card.needed, fingerprint, sha256, revision)
        outcome = await self.store.change_grant(
            grant.grant_id,
            lambda stored: (stored.with_votes_that(counts) if counts else stored).approve(decision, name, terms),
            audit=audit.decided(decision, name, revision, sha256, card.evidence),
        )
        if isinstance(outcome, DeviceGrant) and entry and not await self._still_counts(outcome, entry):
            return NotDecided(Refusal.NOT_ALLOWED, _LOST_RIGHTS, outcome)
        return await self._outcome(grant.grant_id, outcome, card.problem)

    async def _still_counts(self, approved: DeviceGrant, entry: MachineEntry) -> bool:
        """Return whether everybody who approved still may. If not, the approval is void.

        A person who loses rights at this moment loses their approvals too (LostRights), but this one may have been
        stored just after those were looked for.
        """
        people = [each for each in approved.approvals if not each.author.is_automatic]
        if approved.state is not GrantState.APPROVED or not people:
            return True
        counts = await self.cards.votes.for_labels(entry.labels)
        if all(map(counts, people)):
            return True
        now = self.clock.now()
        rule = partial(DeviceGrant.void, reason=_LOST_RIGHTS, now=now)
        outcome = await self.store.change_grant(approved.grant_id, rule, audit=audit.voided(now, _LOST_RIGHTS))
        self.admission.release(approved.grant_id)
        return not isinstance(outcome, DeviceGrant)

    async def approve_many(
        self, chosen: Sequence[tuple[str, str]], actor: Actor, *, as_batch: bool = False
    ) -> Sequence[DeviceGrant | NotDecided]:
        """Approve each pair of id and ``seen`` at the same time, so that the store needs few batches.

        Returns the outcomes in the same order.
        """
        return await asyncio.gather(
            *(self.approve(grant_id, actor, seen, as_batch=as_batch) for grant_id, seen in chosen)
        )

    async def deny(self, grant_id: str, actor: Actor, reason: str) -> DeviceGrant | NotDecided:
        """Deny the machine."""
        grant = await self.store.find_grant(grant_id)
        if grant is None:
            return NotDecided(Refusal.UNKNOWN, _UNKNOWN)
        card = await self.cards.brief(grant)
        if card.state is GrantState.PENDING and (refused := _refused(actor, card)) is not None:
            return refused
        decision = Decision(actor.author, self.clock.now(), one_line(reason))
        name, revision = (card.entry.name, card.entry.revision) if card.entry else ("", "")
        outcome = await self.store.change_grant(
            grant_id,
            lambda stored: stored.deny(decision),
            audit=audit.decided(decision, name, revision, "", card.evidence),
        )
        return await self._outcome(grant_id, outcome, "")

    async def undeny(self, grant_id: str, actor: Actor) -> DeviceGrant | NotDecided:
        """Take a denial back: the machine may ask at once, even if it was denied more than once.

        A denial that ``actor`` may not take back still refuses the machine: GrantCard.also_denied of this one.
        """
        grant = await self.store.find_grant(grant_id)
        if grant is None:
            return NotDecided(Refusal.UNKNOWN, _UNKNOWN)
        outcome = await self._undeny(grant, actor)
        while isinstance(outcome, DeviceGrant):
            other = await self.cards.denial_of(grant)
            if other is None or isinstance(await self._undeny(other, actor), NotDecided):
                break
        return outcome

    async def _undeny(self, grant: DeviceGrant, actor: Actor) -> DeviceGrant | NotDecided:
        card = await self.cards.brief(grant)
        if (refused := _refused(actor, card)) is not None:
            return refused
        decision = Decision(actor.author, self.clock.now())
        outcome = await self.store.change_grant(
            grant.grant_id,
            lambda stored: stored.undeny(decision, self.cards.rules),
            audit=audit.undenied(decision),
        )
        if isinstance(outcome, DeviceGrant):
            return outcome
        grant = await self.store.find_grant(grant.grant_id) or grant
        return NotDecided(outcome, _not_refused(grant, self.clock.now()), grant)

    async def revoke(self, grant_id: str, actor: Actor) -> DeviceGrant | NotDecided:
        """Revoke an approval and its token, also when the token is in use."""
        grant = await self.store.find_grant(grant_id)
        if grant is not None and not actor.may_decide_about(await self._labels(grant.entry)):
            return _not_allowed(actor, grant)
        now = self.clock.now()
        outcome = await self.store.change_grant(
            grant_id, lambda stored: stored.revoke(now), audit=audit.revoked(now, str(actor), actor.via)
        )
        if isinstance(outcome, DeviceGrant):
            return outcome
        grant = await self.store.find_grant(grant_id)
        state = f": the request is {grant.state.value}" if grant else ""
        return NotDecided(outcome, f"there is no approval to revoke{state}", grant)

    async def may_revoke(self, card: GrantCard, actor: Actor) -> bool:
        """Return whether there is an approval that ``actor`` may revoke."""
        return card.state in APPROVED and actor.may_decide_about(await self._labels(card.grant.entry))

    async def _labels(self, entry_name: str) -> Mapping[str, str]:
        """Return the labels of an entry; none when it cannot be read, so that only people without limits may act."""
        try:
            entry = await self.source.named_entry(entry_name) if entry_name else None
        except ConfigUnavailable:
            return {}
        return entry.labels if entry else {}

    async def _digest(self, card: GrantCard, entry: MachineEntry) -> str | NotDecided:
        """Return the SHA-256 of the machine's configuration. One that cannot be rendered is not approved."""
        try:
            rendered = await self.source.render(entry.name, card.grant.identity)
        except ConfigUnavailable as error:
            why = Refusal.UNAVAILABLE if error.passes else Refusal.NO_CONFIG
            return NotDecided(why, f"its configuration cannot be rendered: {error}", card.grant)
        if rendered is None:
            return NotDecided(Refusal.NO_ENTRY, NO_ENTRY, card.grant)
        if rendered.entry.fingerprint != entry.fingerprint:
            message = "the entry for this machine has just changed: look at it again"
            return NotDecided(Refusal.ENTRY_CHANGED, message, card.grant)
        return rendered.sha256

    async def _outcome(self, grant_id: str, outcome: DeviceGrant | Refusal, problem: str) -> DeviceGrant | NotDecided:
        if isinstance(outcome, DeviceGrant):
            if outcome.state is not GrantState.PENDING:
                self.admission.release(grant_id)
            return outcome
        grant = await self.store.find_grant(grant_id)
        message = _MESSAGES.get(outcome) or (problem if outcome is Refusal.NO_ENTRY else "")
        newest = await self.cards.successor(grant) if grant else ""
        return NotDecided(outcome, message or _why_not(grant, newest, self.clock.now()), grant)


_MESSAGES: Final = {
    Refusal.SAME_PERSON: "your approval already counts; another person must approve as well "
    "(everybody who uses the admin socket counts as one person)",
    Refusal.NEEDS_PEOPLE: "this machine needs two people: neither a rule nor a token of `bootgrant tokens` can approve "
    "it, only people and the tokens that they make for themselves",
}


def _refused(actor: Actor, card: GrantCard, seen: str = "") -> NotDecided | None:
    """Return why this person's decision is refused; None when it is not."""
    if not actor.may_decide_about(card.labels):
        return _not_allowed(actor, card.grant)
    if seen and (card.entry is None or card.entry.fingerprint != seen):
        message = "the entry for this machine has changed since the page was shown: look at it again"
        return NotDecided(Refusal.ENTRY_CHANGED, message, card.grant)
    if card.needed > 1 and not actor.author.name:
        return NotDecided(Refusal.NEEDS_PEOPLE, _MESSAGES[Refusal.NEEDS_PEOPLE], card.grant)
    return None


def _not_allowed(actor: Actor, grant: DeviceGrant) -> NotDecided:
    limits = ", ".join(map(str, actor.labels))
    message = f"you may only decide about machines with {limits}" if limits else "you may look, but not decide"
    return NotDecided(Refusal.NOT_ALLOWED, message, grant)


def _not_refused(grant: DeviceGrant, now: float) -> str:
    """Return why there is no denial to take back."""
    if grant.undenied is not None:
        return f"already taken back by {grant.undenied.by}, {max(0, round(now - grant.undenied.at))} s ago"
    if grant.state is GrantState.DENIED:
        return "the machine may ask again already: the time for which it was refused is over"
    return f"there is no denial to take back: the request is {grant.state_at(now).value}"


def one_line(text: str) -> str:
    """Return a reason as it is stored: printable, on one line, at most REASON_LENGTH characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:REASON_LENGTH]


def _why_not(grant: DeviceGrant | None, newest: str, now: float) -> str:
    if grant is None:
        return _UNKNOWN
    if grant.state is GrantState.REPLACED:
        newer = f" (request {newest})" if newest else ""
        return f"the machine has asked again and shows a new code: decide about that one{newer}"
    if grant.state is GrantState.VOID:
        return f"its approval is void: {grant.void_reason}. The machine asks again and shows a new code"
    if grant.decision is None:
        ago = max(0, round((now - grant.expires_at) / 60))
        return f"this code expired {ago} min ago: the machine shows a new one"
    verb = "denied" if grant.state is GrantState.DENIED else "approved"
    return f"already {verb} by {grant.decision.by}, {max(0, round(now - grant.decision.at))} s ago"
