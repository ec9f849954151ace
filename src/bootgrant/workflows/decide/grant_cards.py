"""A request as a person sees it before deciding: its entry, the evidence, the votes that count."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bootgrant.approval.audit import Past
from bootgrant.approval.codes import UserCodes, display_user_code, normalise_user_code
from bootgrant.approval.decision import Decision, VoidVote, WhyVoid
from bootgrant.approval.evidence import Check, Verdict, has_mismatch, worst_first
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.operators import VIA_ADMIN_SOCKET, Right, is_within, person_key
from bootgrant.approval.policy import NetworkNames, needed_approvals
from bootgrant.approval.standing import Standing, standing
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.configurations import ConfigUnavailable, MachineEntry
from bootgrant.ports.evidence import Claim, EvidenceSource, past_in
from bootgrant.ports.grants import Assignment, GrantStore, StoreUnavailable
from bootgrant.ports.people import ApiTokenStore, Operator, OperatorStore
from bootgrant.ports.time import Clock
from bootgrant.workflows.machine.deliver import FindEntry
from bootgrant.workflows.record.approvals import Undelivered, undelivered_approval


@dataclass(frozen=True, slots=True)
class VoteFilter:
    """Which votes count. A vote stops counting when its operator is disabled or may no longer decide about the machine,
    and when its API token was revoked, whether or not a later token has the same name."""

    operators: OperatorStore
    tokens: ApiTokenStore

    async def for_labels(self, labels: Mapping[str, str]) -> Callable[[Decision], bool]:
        """Return a function that says of a vote about a machine with these ``labels`` whether it counts now.

        A vote over the admin socket needs no operator, but falls with a disabled operator of that name: the same name
        is the same person. Raises StoreUnavailable.
        """
        operators = await self.operators.operators()
        by_name = {operator.name: [operator] for operator in operators}
        by_person: dict[str, list[Operator]] = {}
        for operator in operators:
            by_person.setdefault(person_key(operator.name), []).append(operator)
        tokens = {token.name: token.created_at for token in await self.tokens.tokens()}

        def counts(vote: Decision) -> bool:
            author = vote.author
            if author.token and vote.at < tokens.get(author.token, math.inf):
                return False
            same = by_name.get(author.name) or by_person.get(person_key(author.name), [])
            return all(
                operator.disabled_at is None and (author.via == VIA_ADMIN_SOCKET or _may_decide(operator, labels))
                for operator in same
            )

        return counts


def _may_decide(operator: Operator, labels: Mapping[str, str]) -> bool:
    return operator.role.has(Right.DECIDE) and is_within(operator.labels, labels)


log = logging.getLogger("bootgrant.evidence")

PATIENCE: Final = 5.0
"""Seconds that a card waits for evidence; what arrives later is shown the next time."""

IN_LISTS: Final = 10.0
"""Seconds for which lists show the last answer: many people read them every second, with hundreds of machines."""

_LONGEST: Final = 120.0
_KEPT: Final = 20_000
_Key = tuple[str, str, str]


@dataclass(slots=True)
class _Query:
    answer: asyncio.Task[tuple[Check, ...]]
    at: float


class GatherEvidence:
    """Evidence for a machine's claim, gathered when a person opens its card or a policy decides, never by its request.

    Each source is queried once per request, however many people look, and its answer is kept as long as it is valid.
    ``patience`` is how many seconds ``about`` waits. For one event loop.
    """

    def __init__(self, sources: Sequence[EvidenceSource], clock: Clock, patience: float = PATIENCE) -> None:
        self._sources = tuple(sources)
        self._clock = clock
        self._patience = patience
        self._queries: OrderedDict[_Key, _Query] = OrderedDict()

    async def about(self, claim: Claim) -> tuple[Check, ...]:
        """Return the checks of all sources, worst first; a source that does not answer in time is unknown."""
        return await self._gather(claim, self._patience, 0.0)

    async def known(self, claim: Claim) -> tuple[Check, ...]:
        """Return the same without waiting for slow sources: they are queried, and earlier answers are shown."""
        return await self._gather(claim, 0.0, IN_LISTS)

    async def _gather(self, claim: Claim, patience: float, max_age: float) -> tuple[Check, ...]:
        queries = [(source, self._query(source, claim, max(max_age, source.keeps))) for source in self._sources]
        await asyncio.gather(*(answer for source, answer in queries if source.is_quick))
        slow = {answer for source, answer in queries if not source.is_quick and not answer.done()}
        if slow and patience > 0:
            await asyncio.wait(slow, timeout=patience)
        return worst_first([check for source, answer in queries for check in _checks(source, answer)])

    def _query(self, source: EvidenceSource, claim: Claim, max_age: float) -> asyncio.Task[tuple[Check, ...]]:
        key = (claim.grant.grant_id, source.name, claim.entry.fingerprint if claim.entry else "")
        now = self._clock.steady()
        query = self._queries.get(key)
        if query is None or (query.answer.done() and now - query.at > max_age):
            query = self._queries[key] = _Query(asyncio.create_task(_answer(source, claim)), now)
            self._queries.move_to_end(key)
            while len(self._queries) > _KEPT:
                self._queries.popitem(last=False)
        return query.answer


def _checks(source: EvidenceSource, answer: asyncio.Task[tuple[Check, ...]]) -> tuple[Check, ...]:
    if not answer.done():
        return (Check(source.name, Verdict.UNKNOWN, "still being checked; look again in a moment"),)
    if answer.cancelled():
        return (Check(source.name, Verdict.UNKNOWN, "the check was interrupted"),)
    return answer.result()


async def _answer(source: EvidenceSource, claim: Claim) -> tuple[Check, ...]:
    try:
        async with asyncio.timeout(_LONGEST):
            return tuple(await source.check(claim))
    except TimeoutError:
        problem = f"no answer within {_LONGEST:.0f} s"
    except StoreUnavailable as error:
        problem = f"could not be checked: {error}"
    except ConfigUnavailable:
        # The reason may quote a configuration, which not everybody who reads evidence may see: the card has it.
        problem = "could not be checked: the configurations have a problem"
    except Exception:
        log.exception("evidence source %s failed", source.name)
        problem = "the check failed; see the server's log"
    return (Check(source.name, Verdict.UNKNOWN, problem),)


ALIKE: Final = "another request from the same address reports the same uuid, serial or mac"
NO_ENTRY = "no configuration for this machine: assign it an entry, or add one that matches it (docs/machines.md)"
_AT_ONCE = 50
_MOST_FOLLOWED: Final = 100


@dataclass(frozen=True, slots=True)
class GrantCard:
    """A request as a person sees it. ``problem`` says why there is no entry, and what to do; ``problem_passes`` if
    it is the server's own for a moment.

    ``rivals`` are the addresses of other pending requests that claim the same uuid, serial or mac. ``network`` is the
    site's name for the request's network. ``needed`` is how many people must approve; ``votes`` are those that count.
    ``evidence`` is worst first. ``assignment`` is set when a person assigned the entry. ``past`` is None in lists.
    ``alike`` are the ids of other pending requests from the same address with the same uuid, serial or mac: nothing
    says reliably which of them is the machine in front of a person.

    ``void_votes`` do not count, or were given to another request of this machine. ``undelivered`` is the machine's last
    approval, if it was never delivered. ``successor`` is the id of the newest request that replaced this one.
    ``refused_until`` is when a denied machine may ask again (Unix seconds), None if it may now. ``also_denied`` is
    another denial that still refuses the machine although this one was taken back.
    """

    grant: DeviceGrant
    user_code: str
    state: GrantState
    entry: MachineEntry | None
    problem: str = ""
    problem_passes: bool = False
    rivals: tuple[str, ...] = ()
    network: str = ""
    needed: int = 1
    votes: tuple[Decision, ...] = ()
    evidence: tuple[Check, ...] = ()
    assignment: Assignment | None = None
    past: Past | None = None
    alike: tuple[str, ...] = ()
    void_votes: tuple[VoidVote, ...] = ()
    undelivered: Undelivered | None = None
    successor: str = ""
    refused_until: float | None = None
    also_denied: DeviceGrant | None = None

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of the entry; none without one, so that only people without limits may decide."""
        return self.entry.labels if self.entry else {}

    @property
    def has_conflict(self) -> bool:
        """Whether evidence mismatches, or another request claims the same machine."""
        return has_mismatch(self.evidence) or bool(self.rivals)

    @property
    def standing(self) -> Standing:
        return standing(
            has_conflict=self.has_conflict,
            has_entry=self.entry is not None,
            is_assigned=self.assignment is not None,
            is_exact=self.entry is not None and self.entry.exact,
        )

    @property
    def is_expected(self) -> bool:
        """Whether the request is pending, an entry names the machine exactly, and no evidence contradicts it."""
        return self.state is GrantState.PENDING and self.standing is Standing.EXPECTED

    @property
    def batch_obstacle(self) -> str:
        """Why no batch may have this pending request, as one line; empty if one may."""
        match self.standing:
            case Standing.MISMATCH:
                return "its evidence mismatches: decide about it on its own"
            case Standing.UNKNOWN:
                return self.problem or NO_ENTRY
            case Standing.PATTERN:
                matched = self.entry.matched if self.entry else ""
                return f"it is only matched by pattern ({matched}): approve it on its own, by its own code"
            case Standing.ASSIGNED:
                by = self.assignment.by if self.assignment else ""
                return f"its entry was assigned by {by}: approve it on its own, by its own code"
            case Standing.EXPECTED:
                if self.alike:
                    return f"{ALIKE}: decide about each on its own"
                return f"it needs {self.needed} people: approve it on its own" if self.needed > 1 else ""

    @property
    def may_be_approved_in_a_batch(self) -> bool:
        return self.state is GrantState.PENDING and not self.batch_obstacle


@dataclass(frozen=True, slots=True)
class GrantCards:
    """Makes cards. Every method that is awaited may raise StoreUnavailable."""

    store: GrantStore
    find_entry: FindEntry
    evidence: GatherEvidence
    audit: AuditLog
    clock: Clock
    codes: UserCodes
    networks: NetworkNames
    votes: VoteFilter
    rules: GrantRules

    async def waiting(self, limit: int = 500) -> Sequence[GrantCard]:
        """Return the pending requests, newest first, with the evidence that is available at once."""
        grants = await self.store.pending_grants(self.clock.now(), limit)
        cards: list[GrantCard] = []
        for start in range(0, len(grants), _AT_ONCE):
            cards += await asyncio.gather(*(self.brief(grant) for grant in grants[start : start + _AT_ONCE]))
        return cards

    async def refused(self, limit: int) -> Sequence[GrantCard]:
        """Return the machines that are refused now because a person denied them, the newest denial first."""
        denials = await self.store.denials(self.clock.now() - self.rules.denial_cooldown, limit)
        cards = await asyncio.gather(*(self.brief(grant) for grant in denials))
        return [card for card in cards if card.refused_until is not None]

    async def denial_of(self, grant: DeviceGrant) -> DeviceGrant | None:
        """Return the newest denial that refuses the machine of ``grant`` now."""
        since = self.clock.now() - self.rules.denial_cooldown
        return await self.store.find_denial(grant.identity, grant.source_address, since)

    async def find(self, typed: str) -> DeviceGrant | None:
        """Return the request for a typed user code, whatever its state."""
        letters = normalise_user_code(typed)
        return await self.store.find_by_user_code(self.codes.digest(letters)) if letters else None

    async def look_up(self, typed: str) -> GrantCard | None:
        """Return the full card for a typed user code, whatever the request's state."""
        grant = await self.find(typed)
        return await self.full(grant) if grant else None

    async def show(self, grant_id: str) -> GrantCard | None:
        """Return the full card of the request with this id, whatever its state."""
        grant = await self.store.find_grant(grant_id)
        return await self.full(grant) if grant else None

    async def full(self, grant: DeviceGrant) -> GrantCard:
        """Return a card with the machine's history and all evidence; waits a few seconds for it."""
        card = await self._card(grant)
        card = replace(card, past=await past_in(self.audit, grant.identity, grant.grant_id))
        if grant.undenied is not None:
            return replace(card, also_denied=await self.denial_of(grant))
        if card.state is not GrantState.PENDING:
            return card
        return replace(card, evidence=await self.evidence.about(Claim(grant, card.entry)))

    async def with_evidence(self, grant: DeviceGrant) -> GrantCard:
        """Return a card with the evidence that arrives within a few seconds, for a policy to decide on."""
        card = await self._card(grant)
        return replace(card, evidence=await self.evidence.about(Claim(grant, card.entry)))

    async def brief(self, grant: DeviceGrant) -> GrantCard:
        """Return a card with the evidence that is available at once."""
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
            refused_until=grant.refused_until(self.rules) if grant.refused_for(self.rules, now) > 0 else None,
        )
        if grant.entry:
            entry = MachineEntry(grant.entry, "approved", revision=grant.revision)
            return replace(card, entry=entry, needed=len(grant.votes) + 1)
        if card.state is GrantState.REPLACED:
            card = replace(card, successor=await self.successor(grant))
        if card.state is GrantState.PENDING:
            card = await self._with_others(card, now)
        try:
            found = await self.find_entry(grant.identity)
        except ConfigUnavailable as error:
            return replace(card, problem=str(error), problem_passes=error.passes)
        if found is None:
            return replace(card, problem=NO_ENTRY, votes=())
        if grant.votes:
            card = await self._with_votes(card, found.entry)
        return replace(card, entry=found.entry, assignment=found.assignment, needed=needed_approvals(found.entry))

    async def _with_votes(self, card: GrantCard, entry: MachineEntry) -> GrantCard:
        """Return a card with the votes that count, and why the others do not."""
        if card.grant.fingerprint != entry.fingerprint:
            void = [VoidVote(vote, WhyVoid.ENTRY) for vote in card.grant.votes]
            return replace(card, votes=(), void_votes=(*card.void_votes, *void))
        counts = await self.votes.for_labels(entry.labels)
        void = [VoidVote(vote, WhyVoid.APPROVER) for vote in card.grant.votes if not counts(vote)]
        return replace(card, votes=tuple(filter(counts, card.grant.votes)), void_votes=(*card.void_votes, *void))

    async def _with_others(self, card: GrantCard, now: float) -> GrantCard:
        """Return a card of a pending request with what is known of other requests of this machine.

        Votes for a live request of a machine that differs in something do not count here; the card says so.
        """
        grant = card.grant
        others = [
            other for other in await self.store.live_with(grant.identity, now) if other.grant_id != grant.grant_id
        ]
        here = [other.grant_id for other in others if other.source_address == grant.source_address]
        elsewhere = [
            VoidVote(replace(vote, request=other.grant_id), why)
            for other in others
            for vote in other.votes
            if (why := grant.differs_from(other)) is not None
        ]
        return replace(
            card,
            rivals=tuple(sorted({other.source_address for other in others} - {grant.source_address})),
            alike=tuple(sorted(here)),
            void_votes=(*grant.void_votes, *elsewhere),
            undelivered=await undelivered_approval(self.store, grant, now),
        )

    async def successor(self, grant: DeviceGrant) -> str:
        """Return the id of the newest request that replaced this one, or of the last that is stored."""
        newest = grant.replaced_by
        for _ in range(_MOST_FOLLOWED):
            found = await self.store.find_grant(newest) if newest else None
            if found is None or not found.replaced_by:
                break
            newest = found.replaced_by
        return newest
