"""Groups of grant writes: opening grants, and changing them by rules that run on the rows as they were read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from psycopg import errors

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.grant import Delivery, DeviceGrant, Refusal
from bootgrant.ports.audit import AuditOf, EventsOf
from bootgrant.ports.grants import GrantRule, StoreUnavailable, UserCodeTaken
from bootgrant.store.changes import count_step
from bootgrant.store.postgres import grant_sql as sql
from bootgrant.store.postgres.audit import append_events
from bootgrant.store.postgres.connections import UNKNOWN, Connection, Connections, OutcomeUnknown, transaction
from bootgrant.store.postgres.news import News
from bootgrant.store.postgres.rows import escaped

_OPENING_ROUNDS: Final = 20
_CHANGING_ROUNDS: Final = 100
_PRESENT = "SELECT grant_id FROM grants WHERE grant_id = ANY(%s)"
_TAKEN = "SELECT 1 FROM grants WHERE user_code_digest = %s"
Machine = tuple[str, str]
Replaced = dict[Machine, list[tuple[str, int]]]
Outcome = DeviceGrant | Refusal | Exception


class New(NamedTuple):
    """The arguments of ``open_grant``."""

    grant: DeviceGrant
    fingerprint: str
    audit: EventsOf | None


class Opening:
    """The work of a group of ``open_grant`` calls: one transaction, in which each grant replaces the older pending
    requests of its machine."""

    def __init__(self, connections: Connections, news: News) -> None:
        self._connections = connections
        self._news = news

    async def __call__(self, new: Sequence[New]) -> Sequence[list[str]]:
        """Return the ids that each grant replaced. Raises UserCodeTaken for a single grant, and UniqueViolation for
        several of which one cannot be kept; then none is."""
        grants = [each.grant for each in new]
        for _ in range(_OPENING_ROUNDS):
            try:
                return await self._keep(new)
            except errors.UniqueViolation:
                if len(await self._connections.fetch(_PRESENT, ([grant.grant_id for grant in grants],))) == len(grants):
                    # The connection broke after the commit, and this was the second try.
                    return [[] for _ in grants]
                if len(grants) > 1:
                    raise
                if await self._connections.fetch(_TAKEN, (grants[0].user_code_digest,)):
                    raise UserCodeTaken from None
                # The same machine asks another server at this moment: try again, replacing that request.
        raise StoreUnavailable("this machine keeps asking other servers at the same time")

    async def _keep(self, new: Sequence[New]) -> list[list[str]]:
        by_machine: dict[Machine, list[New]] = {}
        for each in new:
            by_machine.setdefault(sql.machine_of(each.grant), []).append(each)
        older = await self._connections.run(partial(_insert, by_machine))
        replaced: list[list[str]] = []
        before: dict[Machine, str] = {}
        for grant, _, _ in new:
            machine = sql.machine_of(grant)
            replaced.append([before[machine]] if machine in before else [])
            before[machine] = grant.grant_id
            for grant_id, version in older.pop(machine, ()):
                self._news.publish(grant_id, version)
                replaced[-1].append(grant_id)
        return replaced


async def _insert(by_machine: Mapping[Machine, Sequence[New]], connection: Connection) -> Replaced:
    """Insert the new grants, replacing pending ones. All servers lock in the same order, so none waits in a circle."""
    in_order = sorted(by_machine)
    firsts = [(escaped(by_machine[machine][0].grant.grant_id), *machine) for machine in in_order]
    cursor = connection.cursor(binary=True)
    replaced: Replaced = {}
    rows: list[DeviceGrant] = []
    events: list[AuditEvent] = []
    async with transaction(connection):
        await cursor.executemany(sql.REPLACE, firsts, returning=True)
        for machine in in_order:
            older = [sql.stored(row) for row in await cursor.fetchall()]
            cursor.nextset()
            replaced[machine] = [(grant.grant_id, version) for grant, version in older]
            opened, made = _opened(by_machine[machine], [grant for grant, _ in older])
            rows += opened
            events += made
        await connection.cursor(binary=True).executemany(sql.INSERT, [sql.to_insert(grant) for grant in rows])
        if events:
            await append_events(connection, events)
    return replaced


def _opened(new: Sequence[New], older: Sequence[DeviceGrant]) -> tuple[list[DeviceGrant], list[AuditEvent]]:
    """Return the new grants of one machine, each replaced by the next one, and their events."""
    rows: list[DeviceGrant] = []
    events: list[AuditEvent] = []
    before = older
    for grant, fingerprint, audit in new:
        for earlier in before:
            grant = grant.following(earlier, fingerprint)  # noqa: PLW2901  (it inherits the votes of each)
        if rows:
            last = rows[-1].replaced(grant.grant_id)
            rows[-1] = rows[-1] if isinstance(last, Refusal) else last
        rows.append(grant)
        events += [] if audit is None else audit(grant)
        before = [grant]
    return rows, events


@dataclass(frozen=True, slots=True)
class Change:
    """The arguments of ``change_grant``."""

    grant_id: str
    rule: GrantRule
    delivery: Delivery | None
    audit: AuditOf | None = None


@dataclass(slots=True)
class _Plan:
    """All changes of one grant in a round: its row as it was read, the grant afterwards, and the outcome of each."""

    read: sql.Stored
    after: DeviceGrant
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    events: list[AuditEvent] = field(default_factory=list)

    def add(self, number: int, change: Change) -> None:
        """Run one rule on the grant as the earlier rules of this round left it."""
        try:
            outcome = change.rule(self.after)
        except Exception as error:  # noqa: BLE001  (it is raised in the caller of this change)
            self.outcomes[number] = error
            return
        self.outcomes[number] = outcome
        if isinstance(outcome, Refusal) or outcome == self.after:
            return
        self.after = outcome
        if change.delivery is not None:
            self.deliveries.append(change.delivery)
        if change.audit is not None:
            self.events.append(change.audit(outcome))

    @property
    def changes_grant(self) -> bool:
        return self.after != self.read.grant

    def was_written(self, now: sql.Stored) -> bool:
        """Return whether the row is what this plan would have made of it."""
        return now.version == self.read.version + 1 and now.grant == self.after


class Changing:
    """The work of a group of ``change_grant`` calls: read the rows, run the rules, and write each row that is still as
    it was read."""

    def __init__(self, connections: Connections, news: News) -> None:
        self._connections = connections
        self._news = news

    async def __call__(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """Return the outcome of each change; an exception that its rule raised is its outcome."""
        outcomes: dict[int, Outcome] = {}
        left: dict[str, list[int]] = {}
        for number, change in enumerate(changes):
            left.setdefault(change.grant_id, []).append(number)
        doubtful: Mapping[str, _Plan] = {}
        for _ in range(_CHANGING_ROUNDS):
            read = await self._read(list(left), in_doubt=bool(doubtful))
            plans: dict[str, _Plan] = {}
            for grant_id, numbers in left.items():
                now, doubt = read.get(grant_id), doubtful.get(grant_id)
                if now is None:
                    outcomes.update((number, Refusal.UNKNOWN) for number in numbers)
                elif doubt is not None and doubt.was_written(now):
                    self._settle(doubt, outcomes)
                else:
                    plan = _Plan(now, now.grant)
                    for number in numbers:
                        plan.add(number, changes[number])
                    plans[grant_id] = plan
            done, doubtful = await self._write(plans)
            for plan in done:
                self._settle(plan, outcomes)
            left = {grant_id: numbers for grant_id, numbers in left.items() if numbers[0] not in outcomes}
            if not left:
                return [outcomes[number] for number in range(len(changes))]
        raise StoreUnavailable("other servers keep changing the same grants")

    async def _read(self, grant_ids: Sequence[str], *, in_doubt: bool) -> dict[object, sql.Stored]:
        try:
            return await self._connections.run(partial(sql.find, "grant_id", grant_ids))
        except StoreUnavailable as error:
            raise StoreUnavailable(f"{error}{UNKNOWN if in_doubt else ''}") from error

    async def _write(self, plans: Mapping[str, _Plan]) -> tuple[list[_Plan], Mapping[str, _Plan]]:
        """Return the plans that are done, and those whose outcome is unknown."""
        idle = [plan for plan in plans.values() if not plan.changes_grant]
        changing = {grant_id: plan for grant_id, plan in plans.items() if plan.changes_grant}
        if not changing:
            return idle, {}
        try:
            won = await self._connections.run(partial(_write, changing), look_first=True)
        except OutcomeUnknown:
            return idle, changing
        return [*idle, *(plans[grant_id] for grant_id in won)], {}

    def _settle(self, plan: _Plan, outcomes: dict[int, Outcome]) -> None:
        outcomes.update(plan.outcomes)
        if plan.changes_grant:
            count_step(self._connections.counts, plan.read.grant, plan.after)
            self._news.publish(plan.after.grant_id, plan.read.version + 1)


async def _write(plans: Mapping[str, _Plan], connection: Connection) -> list[str]:
    """Write each row that is still as it was read, with its deliveries and audit events; return their ids."""
    if not any(plan.deliveries or plan.events for plan in plans.values()):
        return await _update(plans, connection)
    async with transaction(connection):
        won = await _update(plans, connection)
        rows = [
            (grant_id, done.at, done.address, done.sha256, done.size)
            for grant_id in won
            for done in plans[grant_id].deliveries
        ]
        if rows:
            await connection.cursor().executemany(sql.ADD_DELIVERY, rows)
        if events := [event for grant_id in won for event in plans[grant_id].events]:
            await append_events(connection, events)
    return won


async def _update(plans: Mapping[str, _Plan], connection: Connection) -> list[str]:
    cursor = connection.cursor(binary=True)
    # The same order on all servers, as in _insert.
    in_order = [plans[grant_id] for grant_id in sorted(plans)]
    await cursor.executemany(
        sql.UPDATE, [sql.to_update(plan.after, plan.read.version) for plan in in_order], returning=True
    )
    won: list[str] = []
    for _ in in_order:
        won += [row[0] for row in await cursor.fetchall()]
        cursor.nextset()
    return won
