"""A request as a person sees it before deciding: who asks, what it would get, what speaks for and against it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bootgrant.approval.codes import UserCodes, display_user_code, normalise_user_code
from bootgrant.approval.evidence import Check, is_clean
from bootgrant.approval.grant import Decision, DeviceGrant, GrantState
from bootgrant.approval.history import Past
from bootgrant.approval.networks import NetworkNames
from bootgrant.approval.policy import needed_approvals
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.configurations import ConfigUnavailable, MachineEntry
from bootgrant.ports.decisions import Assignment
from bootgrant.ports.evidence import Claim, past_in
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.time import Clock
from bootgrant.workflows.decide.counting_votes import CountingVotes
from bootgrant.workflows.decide.gather_evidence import GatherEvidence
from bootgrant.workflows.machine.find_entry import FindEntry

NO_ENTRY = "no configuration for this machine: assign it an entry, or add one that matches it (docs/machines.md)"
_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class GrantCard:
    """A grant as a person sees it. ``problem`` says why there is no entry, and what to do.

    ``rivals`` are the addresses from which other requests claim the same uuid, serial or mac at the same time.
    ``network`` is the site's name for where the request came from. ``needed`` is how many people must approve, and
    ``votes`` are those that count. ``evidence`` is worst first. ``assignment`` is set when a person gave the entry.
    ``past`` is None in lists.
    """

    grant: DeviceGrant
    user_code: str
    state: GrantState
    entry: MachineEntry | None
    problem: str = ""
    rivals: tuple[str, ...] = ()
    network: str = ""
    needed: int = 1
    votes: tuple[Decision, ...] = ()
    evidence: tuple[Check, ...] = ()
    assignment: Assignment | None = None
    past: Past | None = None

    @property
    def is_clean(self) -> bool:
        """Whether nothing speaks against the machine."""
        return is_clean(self.evidence) and not self.rivals

    @property
    def is_expected(self) -> bool:
        """Whether the configurations know the machine, and it waits."""
        return self.state is GrantState.PENDING and self.entry is not None and self.assignment is None

    @property
    def may_be_approved_in_a_batch(self) -> bool:
        return self.is_expected and self.is_clean and self.needed == 1


@dataclass(frozen=True, slots=True)
class GrantCards:
    store: GrantStore
    find_entry: FindEntry
    evidence: GatherEvidence
    audit: AuditLog
    clock: Clock
    codes: UserCodes
    networks: NetworkNames
    voters: CountingVotes

    async def waiting(self, limit: int = 500) -> Sequence[GrantCard]:
        """What waits for a decision, newest first, with the evidence that is there. Raises StoreUnavailable."""
        grants = await self.store.pending_grants(self.clock.now(), limit)
        cards: list[GrantCard] = []
        for start in range(0, len(grants), _AT_ONCE):
            cards += await asyncio.gather(*(self.in_short(grant) for grant in grants[start : start + _AT_ONCE]))
        return cards

    async def find(self, typed: str) -> DeviceGrant | None:
        """The request behind a typed user code, whatever its state; None when there is none."""
        letters = normalise_user_code(typed)
        return await self.store.find_by_user_code(self.codes.digest(letters)) if letters else None

    async def look_up(self, typed: str) -> GrantCard | None:
        """The same as a card."""
        grant = await self.find(typed)
        return await self.in_full(grant) if grant else None

    async def show(self, grant_id: str) -> GrantCard | None:
        """The request with this id, whatever its state."""
        grant = await self.store.find_grant(grant_id)
        return await self.in_full(grant) if grant else None

    async def in_full(self, grant: DeviceGrant) -> GrantCard:
        """With everything that is to be known; waits a few seconds for evidence."""
        card = await self._card(grant)
        card = replace(card, past=await past_in(self.audit, grant.identity, grant.grant_id))
        if card.state is not GrantState.PENDING:
            return card
        return replace(card, evidence=await self.evidence.about(Claim(grant, card.entry)))

    async def with_evidence(self, grant: DeviceGrant) -> GrantCard:
        """With all evidence that comes within a few seconds: what a policy decides on."""
        card = await self._card(grant)
        return replace(card, evidence=await self.evidence.about(Claim(grant, card.entry)))

    async def in_short(self, grant: DeviceGrant) -> GrantCard:
        """With the evidence that is there at once."""
        card = await self._card(grant)
        if card.state is not GrantState.PENDING:
            return card
        return replace(card, evidence=await self.evidence.known(Claim(grant, card.entry)))

    async def _card(self, grant: DeviceGrant) -> GrantCard:
        now = self.clock.now()
        card = GrantCard(
            grant,
            display_user_code(self.codes.of_grant(grant.grant_id)),
            grant.state_at(now),
            None,
            network=self.networks.name_of(grant.source_address),
            votes=grant.votes,
        )
        if grant.entry:
            entry = MachineEntry(grant.entry, "approved", revision=grant.revision)
            return replace(card, entry=entry, needed=len(grant.votes) + 1)
        if card.state is GrantState.PENDING:
            card = replace(card, rivals=await self._rivals(grant, now))
        try:
            found = await self.find_entry(grant.identity)
        except ConfigUnavailable as error:
            return replace(card, problem=str(error))
        if found is None:
            return replace(card, problem=NO_ENTRY, votes=())
        if grant.votes:
            counts = await self.voters.of(found.entry.labels)
            card = replace(card, votes=tuple(filter(counts, grant.votes_for(found.entry.fingerprint))))
        return replace(card, entry=found.entry, assignment=found.assignment, needed=needed_approvals(found.entry))

    async def _rivals(self, grant: DeviceGrant, now: float) -> tuple[str, ...]:
        others = await self.store.live_with(grant.identity, now)
        return tuple(sorted({other.source_address for other in others} - {grant.source_address}))
