"""Undo what one person approved since a given time, and end what they could still act with.

The approvals are found in the audit: those of the person, whichever way they signed in, and those of the windows that
they armed. Each of them is undone in one transaction with its record, so that a failure in between leaves nothing
half-done, and the same undo can be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, TypeVar

from bootgrant.approval.audit import AuditEvent, AuditKind, written_time
from bootgrant.approval.decision import Decision
from bootgrant.approval.grant import Delivery, DeviceGrant, Refusal
from bootgrant.approval.nearest import nearest
from bootgrant.approval.operators import Actor, Refused, person_key
from bootgrant.approval.policy import Window
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditFilter, AuditLog
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.people import ApiToken, Operator, OperatorStore, Session
from bootgrant.ports.time import Clock
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.windows import LONGEST, ArmWindow
from bootgrant.workflows.people.api_tokens import ApiTokens
from bootgrant.workflows.people.sign_in import Sessions
from bootgrant.workflows.record.audit import Change, operator_changed, taken_back

_PAGE: Final = 500
_AT_ONCE: Final = 50
_WAITING: Final = 20_000
_APPROVALS: Final = (AuditKind.VOTED, AuditKind.APPROVED)

T = TypeVar("T")
R = TypeVar("R")


class Given(Enum):
    """What an approval gave, and so what undoing it takes away."""

    VOTE = "vote"
    """It is the first of two approvals, and the machine is still waiting."""
    APPROVAL = "approval"
    """The machine was approved, and has not fetched its token."""
    TOKEN = "token"  # noqa: S105  (no secret)
    """The machine has a token, and has not downloaded its configuration."""
    CONFIGURATION = "configuration"
    """The machine has its configuration: only other keys in it help."""


@dataclass(frozen=True, slots=True)
class GivenApproval:
    """One approval of the person, or of a window that they armed. ``by`` is its author as the audit names them.

    ``is_over``: it was revoked before, or the request is no longer stored, so that there is nothing left to undo.
    ``deliveries`` are (Unix seconds, address).
    """

    grant_id: str
    given: Given
    by: str
    at: float
    identity: MachineIdentity
    entry: str
    deliveries: tuple[tuple[float, str], ...] = ()
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class WorkOf:
    """What one person did since ``since`` (Unix seconds), and what they can still act with. Approvals: oldest first.

    Of an undo: what was undone, and deliveries, which cannot be undone. ``accounts`` are the person's operator accounts
    that are not disabled.
    """

    name: str
    since: float
    accounts: tuple[str, ...] = ()
    approvals: tuple[GivenApproval, ...] = ()
    sessions: tuple[Session, ...] = ()
    windows: tuple[Window, ...] = ()
    tokens: tuple[ApiToken, ...] = ()

    @property
    def delivered(self) -> tuple[GivenApproval, ...]:
        return tuple(each for each in self.approvals if each.given is Given.CONFIGURATION)

    @property
    def is_empty(self) -> bool:
        return not (self.approvals or self.sessions or self.windows or self.tokens)


@dataclass(frozen=True, slots=True)
class UndoChoice:
    """What to end besides the approvals."""

    sessions: bool = False
    windows: bool = False
    tokens: bool = False


@dataclass(frozen=True, slots=True)
class UndoWork:
    """The route has checked that the caller may manage operators. Every method may raise StoreUnavailable."""

    grants: GrantStore
    audit: AuditLog
    operators: OperatorStore
    sessions: Sessions
    tokens: ApiTokens
    arm: ArmWindow
    clock: Clock

    async def preview(self, name: str, since: float) -> WorkOf | Refused:
        """Return what could be undone, without changing anything."""
        now = self.clock.now()
        if since > now:
            return Refused(f"{written_time(since)} is in the future: choose an earlier time")
        people = await self.operators.operators()
        same = [operator.name for operator in people if person_key(operator.name) == person_key(name)]
        work = WorkOf(
            name,
            since,
            tuple(operator.name for operator in people if operator.name in same and operator.disabled_at is None),
            await self._approvals({name, *same}, since),
            tuple([session for each in same for session in await self.sessions.of(each)]),
            tuple(window for window in await self.arm.windows() if window.author.is_operator(name)),
            tuple(token for token in await self.tokens.store.tokens() if _is_token_of(token, name, since)),
        )
        if work.is_empty and not same and not await self.audit.newest(AuditFilter(actor=name), 1):
            return _unknown(name, people)
        return work

    async def undo(self, name: str, since: float, choice: UndoChoice, actor: Actor) -> WorkOf | Refused:
        """Undo the approvals and end what was chosen. Return what was undone, and deliveries with it.

        What lets the person act is ended first, so that they approve nothing meanwhile. A window that was armed with a
        chosen token closes with it.
        """
        found = await self.preview(name, since)
        if isinstance(found, Refused):
            return found
        reason = f"undo of {name} since {written_time(since)}"
        ended = {token.name for token in found.tokens if choice.tokens}
        affected = [each for each in found.windows if choice.windows or each.author.token in ended]
        sessions = [each for each in found.sessions if choice.sessions and await self._end(each, actor, reason)]
        windows = [closed for each in affected if (closed := await self.arm.close(each, actor, reason))]
        tokens = [each for each in found.tokens if choice.tokens and await self.tokens.revoke(each.name, actor, reason)]
        # Read again: more may have been approved until now.
        last = await self.preview(name, since)
        approvals = found.approvals if isinstance(last, Refused) else last.approvals
        undone = await _in_parts(approvals, lambda each: self._take_back(each, since, actor, reason))
        kept = tuple(each for each in undone if each is not None)
        return WorkOf(name, since, found.accounts, kept, tuple(sessions), tuple(windows), tuple(tokens))

    async def _approvals(self, names: set[str], since: float) -> tuple[GivenApproval, ...]:
        """Return the approvals of a person with these names, and of their windows, each request once."""
        first: dict[str, AuditEvent] = {}
        for author in [*sorted(names), *await self._window_authors(names, since)]:
            async for event in self._events(AuditFilter(_APPROVALS, author, since=since)):
                known = first.get(event.grant_id)
                if known is None or event.at < known.at:
                    first[event.grant_id] = event
        async for event in self._votes(names, since):
            first.setdefault(event.grant_id, event)
        oldest = sorted(first.values(), key=lambda event: event.at)
        found = await _in_parts(oldest, self._given)
        return tuple(each for each in found if each is not None)

    async def _votes(self, names: set[str], since: float) -> AsyncIterator[AuditEvent]:
        """Yield the person's votes of requests that wait or were approved since then, wherever they were given first.

        The event is that of the request, with the author and the time of the vote.
        """
        keys = {person_key(name) for name in names}

        def vote_in(grant: DeviceGrant | None) -> Decision | None:
            votes = grant.votes if grant else ()
            given = (vote for vote in votes if person_key(vote.author.name) in keys and vote.at >= since)
            return next(given, None)

        for grant in await self.grants.pending_grants(self.clock.now(), _WAITING):
            if vote := vote_in(grant):
                yield AuditEvent(vote.at, AuditKind.VOTED, vote.by, grant_id=grant.grant_id, identity=grant.identity)
        async for event in self._events(AuditFilter((AuditKind.APPROVED,), since=since)):
            if event.details.get("votes") and (vote := vote_in(await self.grants.find_grant(event.grant_id))):
                yield replace(event, at=vote.at, actor=vote.by)

    async def _window_authors(self, names: set[str], since: float) -> list[str]:
        """Return how the audit names the windows that the person armed and that were open after ``since``."""
        authors: dict[str, None] = {}
        for name in sorted(names):
            async for event in self._events(AuditFilter((AuditKind.ARMED,), name, since=since - LONGEST)):
                authors[f"window {event.details.get('name', '')} by {event.actor}"] = None
        return list(authors)

    async def _events(self, which: AuditFilter) -> AsyncIterator[AuditEvent]:
        before: int | None = None
        while page := await self.audit.newest(which, _PAGE, before):
            for record in page:
                yield record.event
            before = page[-1].seq

    async def _given(self, event: AuditEvent) -> GivenApproval | None:
        """Return what an approval gave, as it is now; None if nothing of it is left or was delivered."""
        grant = await self.grants.find_grant(event.grant_id)
        if grant is None:
            return await self._forgotten(event)
        approval = GivenApproval(grant.grant_id, Given.VOTE, event.actor, event.at, grant.identity, event.entry)
        if grant.deliveries:
            deliveries = _places(await self.grants.deliveries(grant.grant_id))
            is_over = grant.state is GrantState.REVOKED
            return replace(approval, given=Given.CONFIGURATION, deliveries=deliveries, is_over=is_over)
        given = _GIVEN.get(grant.state_at(self.clock.now()))
        if given is None or (given is Given.VOTE and not any(vote.by == event.actor for vote in grant.votes)):
            return None
        return replace(approval, given=given)

    async def _forgotten(self, event: AuditEvent) -> GivenApproval | None:
        """Return the delivery of a request that is no longer stored, from the audit; None if there was none."""
        which = AuditFilter((AuditKind.DELIVERED,), grant_id=event.grant_id)
        places = tuple([(delivery.at, delivery.address) async for delivery in self._events(which)][::-1])
        if not places:
            return None
        found = GivenApproval(event.grant_id, Given.CONFIGURATION, event.actor, event.at, event.identity, event.entry)
        return replace(found, deliveries=places, is_over=True)

    async def _take_back(
        self, approval: GivenApproval, since: float, actor: Actor, reason: str
    ) -> GivenApproval | None:
        """Undo one approval. Return it as it was undone; None if nothing was left to undo and nothing delivered."""
        if approval.is_over:
            return approval
        now = self.clock.now()
        before: list[DeviceGrant] = []

        def rule(stored: DeviceGrant) -> DeviceGrant | Refusal:
            before.append(stored)
            if stored.state is GrantState.PENDING:
                return stored.withdraw(lambda vote: vote.by == approval.by and vote.at >= since)
            return stored.revoke(now)

        event = taken_back(now, actor, reason)
        after = await self.grants.change_grant(approval.grant_id, rule, audit=event)
        if isinstance(after, Refusal):
            return None
        was = before[-1]
        if was.deliveries:
            deliveries = _places(await self.grants.deliveries(approval.grant_id))
            return replace(approval, given=Given.CONFIGURATION, deliveries=deliveries, is_over=after == was)
        given = _GIVEN.get(was.state)
        return None if after == was or given is None else replace(approval, given=given)

    async def _end(self, session: Session, actor: Actor, reason: str) -> bool:
        operator = await self.operators.find_operator(session.operator)
        change = Change(self.clock.now(), actor, "session ended", reason)
        event = operator_changed(change, session.operator, operator, operator)
        return await self.operators.end_session(session.digest, lambda _: event)


_GIVEN: Final = {
    GrantState.PENDING: Given.VOTE,
    GrantState.APPROVED: Given.APPROVAL,
    GrantState.REDEEMED: Given.TOKEN,
    GrantState.DELIVERED: Given.CONFIGURATION,
}


def _places(deliveries: Iterable[Delivery]) -> tuple[tuple[float, str], ...]:
    return tuple((delivery.at, delivery.address) for delivery in deliveries)


def _is_token_of(token: ApiToken, name: str, since: float) -> bool:
    """Return whether it is the person's own token, or one that they created for a program since then."""
    if token.owner:
        return person_key(token.owner) == person_key(name)
    creator = token.created_by.partition(" (")[0]
    return token.created_at >= since and person_key(creator) == person_key(name)


def _unknown(name: str, people: Sequence[Operator]) -> Refused:
    alike = nearest(name, (operator.name for operator in people))
    hint = f": the nearest names are {', '.join(alike)}" if alike else ""
    return Refused(f"there is no operator {name!r}, and the audit has nothing by this name{hint}")


async def _in_parts(items: Sequence[T], do: Callable[[T], Awaitable[R]]) -> list[R]:
    """Do something with each, several at the same time, so that the store needs few commits. Keeps the order."""
    done: list[R] = []
    for start in range(0, len(items), _AT_ONCE):
        done += await asyncio.gather(*(do(item) for item in items[start : start + _AT_ONCE]))
    return done
