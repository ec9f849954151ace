"""Steps of grants, many in one round: read the rows, run the rules, write each row that is still as it was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.grant import Delivery, DeviceGrant, Refusal
from bootgrant.ports.audit import AuditOf
from bootgrant.ports.grants import GrantRule, StoreUnavailable
from bootgrant.store.postgres import grant_sql as sql
from bootgrant.store.postgres.audit import append_events
from bootgrant.store.postgres.connections import UNKNOWN, Connection, Connections, OutcomeUnknown, transaction
from bootgrant.store.postgres.news import News
from bootgrant.store.steps import count_step

_ROUNDS: Final = 100
Outcome = DeviceGrant | Refusal | Exception


@dataclass(frozen=True, slots=True)
class Change:
    """What ``change_grant`` was asked."""

    grant_id: str
    rule: GrantRule
    delivery: Delivery | None
    audit: AuditOf | None = None


@dataclass(slots=True)
class _Plan:
    """What the changes of one grant come to: its row as it was read, as it will be, and what each is answered."""

    read: sql.Stored
    after: DeviceGrant
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    events: list[AuditEvent] = field(default_factory=list)

    def take(self, number: int, change: Change) -> None:
        """Run one rule on the grant as the earlier ones of this round leave it."""
        try:
            outcome = change.rule(self.after)
        except Exception as error:  # noqa: BLE001  (it goes to the one who asked)
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
    def changes(self) -> bool:
        return self.after != self.read.grant

    def is_done_in(self, now: sql.Stored) -> bool:
        """Whether the row is what this plan made of it."""
        return now.version == self.read.version + 1 and now.grant == self.after


class Changing:
    """The work of a batch of ``change_grant``."""

    def __init__(self, connections: Connections, news: News) -> None:
        self._connections = connections
        self._news = news

    async def __call__(self, changes: Sequence[Change]) -> Sequence[Outcome]:
        """The outcome of each, in its place. An exception that its rule raised is its outcome."""
        outcomes: dict[int, Outcome] = {}
        left: dict[str, list[int]] = {}
        for number, change in enumerate(changes):
            left.setdefault(change.grant_id, []).append(number)
        doubtful: Mapping[str, _Plan] = {}
        for _ in range(_ROUNDS):
            read = await self._read(list(left), in_doubt=bool(doubtful))
            plans: dict[str, _Plan] = {}
            for grant_id, numbers in left.items():
                now, doubt = read.get(grant_id), doubtful.get(grant_id)
                if now is None:
                    outcomes.update((number, Refusal.UNKNOWN) for number in numbers)
                elif doubt is not None and doubt.is_done_in(now):
                    self._settle(doubt, outcomes)
                else:
                    plan = _Plan(now, now.grant)
                    for number in numbers:
                        plan.take(number, changes[number])
                    plans[grant_id] = plan
            done, doubtful = await self._write(plans)
            for plan in done:
                self._settle(plan, outcomes)
            left = {grant_id: numbers for grant_id, numbers in left.items() if numbers[0] not in outcomes}
            if not left:
                return [outcomes[number] for number in range(len(changes))]
        raise StoreUnavailable("other servers change the same grants all the time")

    async def _read(self, grant_ids: Sequence[str], *, in_doubt: bool) -> dict[object, sql.Stored]:
        try:
            return await self._connections.run(partial(sql.find, "grant_id", grant_ids))
        except StoreUnavailable as error:
            raise StoreUnavailable(f"{error}{UNKNOWN if in_doubt else ''}") from error

    async def _write(self, plans: Mapping[str, _Plan]) -> tuple[list[_Plan], Mapping[str, _Plan]]:
        """The plans that are done, and those of which nobody knows."""
        idle = [plan for plan in plans.values() if not plan.changes]
        changing = {grant_id: plan for grant_id, plan in plans.items() if plan.changes}
        if not changing:
            return idle, {}
        try:
            won = await self._connections.run(partial(_write, changing), look_first=True)
        except OutcomeUnknown:
            return idle, changing
        return [*idle, *(plans[grant_id] for grant_id in won)], {}

    def _settle(self, plan: _Plan, outcomes: dict[int, Outcome]) -> None:
        outcomes.update(plan.outcomes)
        if plan.changes:
            count_step(self._connections.counts, plan.read.grant, plan.after)
            self._news.tell(plan.after.grant_id, plan.read.version + 1)


async def _write(plans: Mapping[str, _Plan], connection: Connection) -> list[str]:
    """The ids whose rows were still as they were read; with them, their deliveries and what the audit says."""
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
    # One order for all servers, as in opening.
    in_order = [plans[grant_id] for grant_id in sorted(plans)]
    await cursor.executemany(
        sql.UPDATE, [sql.updated(plan.after, plan.read.version) for plan in in_order], returning=True
    )
    won: list[str] = []
    for _ in in_order:
        won += [row[0] for row in await cursor.fetchall()]
        cursor.nextset()
    return won
