"""Undo what one person approved since a given time, and end what they could still act with.

The approvals are found in the audit: those of the person, whichever way they signed in, those of the tokens that they
created for programs since then, and those of the windows that they armed with either. Each of them is undone in one
transaction with its record, so that a failure in between leaves nothing half-done, and the same undo can be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, NamedTuple, TypeVar

from bootgrant.approval.audit import AuditEvent, AuditKind, written_time
from bootgrant.approval.decision import Decision
from bootgrant.approval.grant import Delivery, DeviceGrant, Refusal
from bootgrant.approval.nearest import nearest
from bootgrant.approval.operators import Actor, Author, Refused, person_key, via_token
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
_APPROVALS: Final = (AuditKind.VOTED, AuditKind.VOTE_MOVED, AuditKind.APPROVED)

T = TypeVar("T")
R = TypeVar("R")


class Given(Enum):
    """What an approval gave, and so what undoing it takes away."""

    VOTE = "vote"
    """It is the first of two approvals. The machine waits, or its code has expired: its next request takes it over."""
    APPROVAL = "approval"
    """The machine was approved, and has not fetched its token."""
    TOKEN = "token"  # noqa: S105  (no secret)
    """The machine has a token, and has not downloaded its configuration."""
    CONFIGURATION = "configuration"
    """The machine has its configuration: only other keys in it help."""


@dataclass(frozen=True, slots=True)
class GivenApproval:
    """One approval of the person, or of a token or window that they made.

    ``by`` is its author as the audit names them.
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


class _Author(NamedTuple):
    """Whose approvals are the person's: ``by`` as the audit names them, from ``since`` until before ``until``."""

    by: str
    since: float
    until: float | None = None

    def armed(self, window: Window) -> bool:
        is_in = self.since <= window.armed_at and (self.until is None or window.armed_at < self.until)
        return is_in and str(window.author) == self.by


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
        programs = await self._programs({name, *same}, since)
        work = WorkOf(
            name,
            since,
            tuple(operator.name for operator in people if operator.name in same and operator.disabled_at is None),
            await self._approvals({name, *same}, programs, since),
            tuple([session for each in same for session in await self.sessions.of(each)]),
            tuple(window for window in await self.arm.windows() if _is_window_of(window, name, programs)),
            tuple(token for token in await self.tokens.store.tokens() if _is_token_of(token, name, since)),
        )
        if work.is_empty and not same and not await self.audit.newest(AuditFilter(actor=name), 1):
            return _unknown(name, people)
        return work

    async def undo(self, name: str, since: float, choice: UndoChoice, actor: Actor) -> WorkOf | Refused:
        """Undo the approvals and end what was chosen. Return what was undone, and deliveries with it.

        Sessions and windows end first. Tokens end after the approvals, which would become void with them and not be
        named. What was approved until then is undone in a second pass. A window that was armed with a chosen token
        closes with it.
        """
        found = await self.preview(name, since)
        if isinstance(found, Refused):
            return found
        reason = f"undo of {name} since {written_time(since)}"
        ended = {token.name for token in found.tokens if choice.tokens}
        affected = [each for each in found.windows if choice.windows or each.author.token in ended]
        sessions = [each for each in found.sessions if choice.sessions and await self._end(each, actor, reason)]
        windows = [closed for each in affected if (closed := await self.arm.close(each, actor, reason))]
        undone = await _in_parts(found.approvals, lambda each: self._take_back(each, since, actor, reason))
        tokens = [each for each in found.tokens if choice.tokens and await self.tokens.revoke(each.name, actor, reason)]
        last = await self.preview(name, since)
        if not isinstance(last, Refused):
            undone += await _in_parts(last.approvals, lambda each: self._take_back(each, since, actor, reason))
        return WorkOf(name, since, found.accounts, _each_once(undone), tuple(sessions), tuple(windows), tuple(tokens))

    async def _approvals(self, names: set[str], programs: Sequence[_Author], since: float) -> tuple[GivenApproval, ...]:
        """Return the approvals of a person with these names, of their programs and windows, each request once."""
        first: dict[tuple[str, str], AuditEvent] = {}
        people = [*(_Author(name, since) for name in sorted(names)), *programs]
        for author in [*people, *await self._windows(people, since)]:
            which = AuditFilter(_APPROVALS, author.by, since=author.since, until=author.until)
            async for event in self._events(which):
                given = _as_given(event)
                known = first.get((event.grant_id, event.actor))
                if given.at >= since and (known is None or given.at < known.at):
                    first[event.grant_id, event.actor] = given
        async for event in self._votes(names, since):
            first.setdefault((event.grant_id, event.actor), event)
        oldest = sorted(first.values(), key=lambda event: event.at)
        found: dict[str, GivenApproval] = {}
        for each in await _in_parts(oldest, self._given):
            if each is not None:
                # A vote that moved was found where it was given, too.
                found.setdefault(each.grant_id, each)
        return tuple(found.values())

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

    async def _programs(self, names: set[str], since: float) -> list[_Author]:
        """Return the tokens that the person created since then, each until another one had its name.

        Those that were revoked since count too. Of a person's own token this finds nothing more: the audit names them.
        """
        keys = {person_key(name) for name in names}
        programs: list[_Author] = []
        ends: dict[str, float] = {}
        async for event in self._events(AuditFilter((AuditKind.TOKEN_CHANGED,), since=since)):
            token = str(event.details.get("token", ""))
            is_new = str(event.details.get("done", "")).startswith("created")
            if is_new and person_key(event.actor.partition(" (")[0]) in keys:
                programs.append(_Author(str(Author("", via_token(token))), event.at, ends.get(token)))
            ends[token] = event.at
        return programs

    async def _windows(self, people: Sequence[_Author], since: float) -> list[_Author]:
        """Return the windows that these armed and that were open after ``since``."""
        windows: dict[_Author, None] = {}
        for author in people:
            armed = AuditFilter((AuditKind.ARMED,), author.by, since=author.since - LONGEST, until=author.until)
            async for event in self._events(armed):
                by = f"window {event.details.get('name', '')} by {event.actor}"
                windows[_Author(by, max(since, author.since), author.until)] = None
        return list(windows)

    async def _events(self, which: AuditFilter) -> AsyncIterator[AuditEvent]:
        before: int | None = None
        while page := await self.audit.newest(which, _PAGE, before):
            for record in page:
                yield record.event
            before = page[-1].seq

    async def _newest(self, grant_id: str) -> DeviceGrant | None:
        """Return a request, or the last of those that replaced it: votes move on with them."""
        grant = await self.grants.find_grant(grant_id)
        while grant and grant.replaced_by and (following := await self.grants.find_grant(grant.replaced_by)):
            grant = following
        return grant

    async def _given(self, event: AuditEvent) -> GivenApproval | None:
        """Return what an approval gave, as it is now; None if nothing of it is left or was delivered."""
        grant = await self._newest(event.grant_id)
        if grant is None:
            return await self._forgotten(event)
        if event.kind is not AuditKind.APPROVED and not any(each.by == event.actor for each in grant.approvals):
            return None
        approval = GivenApproval(grant.grant_id, Given.VOTE, event.actor, event.at, grant.identity, event.entry)
        if grant.deliveries:
            deliveries = _places(await self.grants.deliveries(grant.grant_id))
            is_over = grant.state is GrantState.REVOKED
            return replace(approval, given=Given.CONFIGURATION, deliveries=deliveries, is_over=is_over)
        if grant.state in _DOWNLOADING and (places := await self._recorded(grant.grant_id)):
            is_over = grant.state is not GrantState.REDEEMED
            return replace(approval, given=Given.CONFIGURATION, deliveries=places, is_over=is_over)
        # A vote outlives its code: the machine's next request takes it over.
        is_waiting = grant.state is GrantState.PENDING
        given = Given.VOTE if is_waiting else _GIVEN.get(grant.state_at(self.clock.now()))
        return None if given is None else replace(approval, given=given)

    async def _forgotten(self, event: AuditEvent) -> GivenApproval | None:
        """Return the delivery of a request that is no longer stored, from the audit; None if there was none."""
        places = await self._recorded(event.grant_id)
        if not places:
            return None
        found = GivenApproval(event.grant_id, Given.CONFIGURATION, event.actor, event.at, event.identity, event.entry)
        return replace(found, deliveries=places, is_over=True)

    async def _recorded(self, grant_id: str) -> tuple[tuple[float, str], ...]:
        """Return the deliveries of a request that the audit has, oldest first."""
        which = AuditFilter((AuditKind.DELIVERED,), grant_id=grant_id)
        return tuple([(delivery.at, delivery.address) async for delivery in self._events(which)][::-1])

    async def _take_back(
        self, approval: GivenApproval, since: float, actor: Actor, reason: str
    ) -> GivenApproval | None:
        """Undo one approval. Return it as it was undone; None if nothing was left to undo and nothing delivered."""
        if approval.is_over:
            return approval
        now = self.clock.now()
        before: dict[str, DeviceGrant] = {}

        def is_it(decision: Decision) -> bool:
            return decision.by == approval.by and decision.at >= since

        def rule(stored: DeviceGrant) -> DeviceGrant | Refusal:
            before[stored.grant_id] = stored
            if stored.state is GrantState.PENDING:
                return stored.withdraw(is_it)
            if approval.given is Given.VOTE and not any(map(is_it, stored.approvals)):
                return Refusal.ALREADY_DECIDED
            return stored.revoke(now)

        event = taken_back(now, actor, reason)
        grant_id = approval.grant_id
        after = await self.grants.change_grant(grant_id, rule, audit=event)
        # The machine asked again since the approval was found.
        while isinstance(after, Refusal) and (was := before.get(grant_id)) and was.replaced_by:
            grant_id = was.replaced_by
            after = await self.grants.change_grant(grant_id, rule, audit=event)
        if isinstance(after, Refusal):
            return None
        was, approval = before[grant_id], replace(approval, grant_id=grant_id)
        if was.deliveries:
            deliveries = _places(await self.grants.deliveries(grant_id))
            return replace(approval, given=Given.CONFIGURATION, deliveries=deliveries, is_over=after == was)
        if approval.deliveries:
            return approval
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

_DOWNLOADING: Final = (GrantState.REDEEMED, GrantState.REVOKED, GrantState.VOID)
"""States in which a download may have ended that only the audit has (DeliverConfig.record)."""


def _as_given(event: AuditEvent) -> AuditEvent:
    """Return the event of an approval; of a vote that moved to this request with the time when it was given."""
    if event.kind is not AuditKind.VOTE_MOVED:
        return event
    return replace(event, at=int(event.details.get("voted", 0)) / 1000)


def _each_once(approvals: Iterable[GivenApproval | None]) -> tuple[GivenApproval, ...]:
    """Return the approvals, each request once: the last that was found, unless nothing was left to undo then."""
    kept: dict[str, GivenApproval] = {}
    for each in approvals:
        known = kept.get(each.grant_id) if each else None
        if each and (known is None or known.is_over or not each.is_over):
            kept[each.grant_id] = each
    return tuple(sorted(kept.values(), key=lambda each: each.at))


def _places(deliveries: Iterable[Delivery]) -> tuple[tuple[float, str], ...]:
    return tuple((delivery.at, delivery.address) for delivery in deliveries)


def _is_token_of(token: ApiToken, name: str, since: float) -> bool:
    """Return whether it is the person's own token, or one that they created for a program since then."""
    if token.owner:
        return person_key(token.owner) == person_key(name)
    creator = token.created_by.partition(" (")[0]
    return token.created_at >= since and person_key(creator) == person_key(name)


def _is_window_of(window: Window, name: str, programs: Sequence[_Author]) -> bool:
    return window.author.is_operator(name) or any(program.armed(window) for program in programs)


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
