"""The life of grants on every store: any steps in any order, one at a time and concurrently, on one server and on two.

Two properties are checked. Each outcome is what the pure rules give for some order of the concurrent steps. And,
whatever the rules say, a grant issues at most one token, only after an approval, never after a denial, a replacement, a
revocation, or a lost right to approve.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine

from bootgrant.approval.decision import Terms
from bootgrant.approval.grant import REDEEM_GRACE, Delivery, DeviceGrant, NotDelivered, Refusal
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.grants import DECISION_KEPT, GrantRule, GrantStore
from bootgrant.store.postgres.database import open_postgres
from bootgrant.store.sqlite.database import SqliteDatabase
from support.grants import NOW, decision_by, other_machine, pending_grant
from support.memory.database import MemoryDatabase
from support.postgres_cluster import Cluster, migrated

T = TypeVar("T")
Servers = Callable[[AsyncExitStack, float], Awaitable[Sequence[GrantStore]]]
"""Starts every server of one place at a given time, and returns their stores."""

Outcome = DeviceGrant | Refusal
RULES = GrantRules(token_lifetime=3600, delivery_grace=120)
MACHINES, ADDRESSES = 3, 2
STEPS = ("approve", "vote", "deny", "undeny", "redeem", "deliver", "revoke", "void")
TWO = Terms(needed=2, fingerprint="precious", sha256="ab", revision="4f2c9ab")
KEPT = 5000.0
FETCHABLE = (NotDelivered.CODE_WAITING, NotDelivered.TOKEN_WAITING)
ENTRIES = ("", TWO.fingerprint, "changed")
"""The fingerprint of each machine's entry when it asks."""


@dataclass(frozen=True)
class Step:
    """One step of one grant. ``number`` makes each step unique."""

    grant_id: str
    name: str
    number: int
    now: float

    @property
    def rule(self) -> GrantRule:
        decision = decision_by(f"operator-{self.number}", self.now)
        one_of_three = decision_by(f"operator-{self.number % 3}", self.now)
        token = hashlib.sha256(f"{self.grant_id} {self.number}".encode()).digest()
        steps: dict[str, GrantRule] = {
            "approve": lambda g: g.approve(decision, f"{self.number}.yaml"),
            "vote": lambda g: g.approve(one_of_three, f"{self.number}.yaml", TWO),
            "deny": lambda g: g.deny(decision),
            "undeny": lambda g: g.undeny(decision, RULES),
            "redeem": lambda g: g.redeem("talos", token, RULES, self.now),
            "deliver": lambda g: g.deliver(RULES, self.now),
            "revoke": lambda g: g.revoke(self.now),
            "void": lambda g: g.void(f"reason {self.number}", self.now),
        }
        return steps[self.name]

    @property
    def delivery(self) -> Delivery | None:
        return Delivery(self.now, "10.0.0.1", "ab" * 32, self.number) if self.name == "deliver" else None


@dataclass
class Observed:
    """What machines and people have seen of one grant."""

    approved: bool = False
    ended: bool = False
    revoked: bool = False
    tokens: set[bytes] = field(default_factory=set)
    delivered: set[int] = field(default_factory=set)


class GrantLife(RuleBasedStateMachine):
    """Each life has a new place for its data, which its servers find again when they restart."""

    places: Callable[[ExitStack], Servers]

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.place, self.stack = ExitStack(), AsyncExitStack()
        self.servers: Servers
        self.stores: Sequence[GrantStore] = []
        self.now = NOW
        self.numbers = 0
        self.model: dict[str, DeviceGrant] = {}
        self.observed: dict[str, Observed] = {}

    def do(self, work: Awaitable[T]) -> T:
        async def within_time() -> T:
            async with asyncio.timeout(30):
                return await work

        return self.runner.run(within_time())

    @initialize()
    def servers_start(self) -> None:
        self.servers = type(self).places(self.place)
        self.stores = self.do(self.servers(self.stack, self.now))

    @rule()
    def servers_restart(self) -> None:
        self.do(self.stack.aclose())
        self.stores = self.do(self.servers(self.stack, self.now))

    def teardown(self) -> None:
        self.do(self.stack.aclose())
        self.runner.close()
        self.place.close()

    @rule(seconds=st.sampled_from([1.0, RULES.delivery_grace, RULES.lifetime - 1, REDEEM_GRACE, RULES.token_lifetime]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(data=st.data(), machine=st.integers(0, MACHINES - 1), address=st.integers(0, ADDRESSES - 1))
    def a_machine_asks(self, data: st.DataObject, machine: int, address: int) -> None:
        self.happen(data, [self.ask(machine, address)], [])

    @precondition(lambda self: self.model)
    @rule(data=st.data(), name=st.sampled_from(STEPS))
    def one_step(self, data: st.DataObject, name: str) -> None:
        self.happen(data, [], [self.step(data, name)])

    @precondition(lambda self: self.model)
    @rule(data=st.data(), names=st.lists(st.sampled_from(STEPS), min_size=2, max_size=4))
    def concurrent_steps_of_one_grant(self, data: st.DataObject, names: list[str]) -> None:
        first = self.step(data, names[0])
        self.happen(data, [], [first, *(replace(self.step(data, name), grant_id=first.grant_id) for name in names[1:])])

    @precondition(lambda self: self.model)
    @rule(data=st.data(), name=st.sampled_from(STEPS), machine=st.integers(0, MACHINES - 1))
    def a_machine_asks_during_a_step(self, data: st.DataObject, name: str, machine: int) -> None:
        self.happen(data, [self.ask(machine, 0)], [self.step(data, name)])

    @rule(limit=st.integers(1, 3))
    def ended_grants_are_collected(self, limit: int) -> None:
        before = self.now - KEPT
        count = self.do(self.stores[0].collect_ended(before, before, limit))
        ended = [
            grant_id
            for grant_id, grant in self.model.items()
            if (grant.token_expires_at if grant.token_digest else grant.expires_at) < before
        ]
        gone = [grant_id for grant_id in ended if self.do(self.stores[0].find_grant(grant_id)) is None]
        assert count == len(gone) == min(limit, len(ended))
        for grant_id in gone:
            del self.model[grant_id], self.observed[grant_id]

    @invariant()
    def every_server_agrees_with_the_model(self) -> None:
        for store in self.stores:
            self.do(self.agrees(store))

    async def agrees(self, store: GrantStore) -> None:
        found = await asyncio.gather(*(store.find_grant(grant_id) for grant_id in self.model))
        assert list(found) == list(self.model.values())
        waiting = [g for g in self.model.values() if g.state is GrantState.PENDING and g.expires_at > self.now]
        assert {g.grant_id for g in await store.pending_grants(self.now, 100)} == {g.grant_id for g in waiting}
        undelivered = [g for g in self.model.values() if g.not_delivered(self.now) in FETCHABLE]
        assert sorted(await store.undelivered(self.now)) == sorted(undelivered)
        denied = [g for g in self.model.values() if g.refused_for(RULES, self.now) > 0]
        assert {g.grant_id for g in await store.denials(self.now - RULES.denial_cooldown, 100)} == {
            g.grant_id for g in denied
        }
        for grant in self.model.values():
            if grant.token_digest and grant.token_expires_at > self.now:
                assert await store.find_by_token(grant.token_digest) == grant
            assert await store.last_decision(grant.identity, self.now - DECISION_KEPT) == self.last_decision(grant)
            deliveries = {delivery.size for delivery in await store.deliveries(grant.grant_id)}
            assert deliveries == self.observed[grant.grant_id].delivered

    def last_decision(self, asking: DeviceGrant) -> DeviceGrant | None:
        decided = [g for g in self.model.values() if g.identity == asking.identity and g.decision is not None]
        newest = max(decided, key=lambda g: (g.decision.at if g.decision else 0, g.grant_id), default=None)
        return newest if newest and newest.decision and newest.decision.at > self.now - DECISION_KEPT else None

    def ask(self, machine: int, address: int) -> DeviceGrant:
        self.numbers += 1
        # A millisecond apart, so that the order of the queue is defined.
        opened_at = self.now + self.numbers / 1000
        return pending_grant(
            identity=other_machine(machine),
            source_address=f"10.0.0.{address}",
            opened_at=opened_at,
            expires_at=opened_at + RULES.lifetime,
        )[0]

    def step(self, data: st.DataObject, name: str) -> Step:
        self.numbers += 1
        return Step(data.draw(st.sampled_from(sorted(self.model))), name, self.numbers, self.now)

    def happen(self, data: st.DataObject, requests: Sequence[DeviceGrant], steps: Sequence[Step]) -> None:
        """Run everything concurrently, each on some server, and find an order that explains every outcome."""
        where = data.draw(st.lists(st.sampled_from(range(len(self.stores))), min_size=5, max_size=5))

        async def concurrently() -> tuple[list[Sequence[str]], list[Outcome]]:
            opening = [
                asyncio.ensure_future(self.stores[where[n]].open_grant(grant, entry_of(grant)))
                for n, grant in enumerate(requests)
            ]
            changing = [
                asyncio.ensure_future(self.stores[where[n + 1]].change_grant(s.grant_id, s.rule, s.delivery))
                for n, s in enumerate(steps)
            ]
            return [await task for task in opening], [await task for task in changing]

        replaced, outcomes = self.do(concurrently())
        answers: dict[object, object] = dict(
            zip([*(g.grant_id for g in requests), *steps], [*map(sorted, replaced), *outcomes], strict=True)
        )
        events: list[DeviceGrant | Step] = [*requests, *steps]
        for order in permutations(events):
            model = dict(self.model)
            if all(self.explains(model, event, answers) for event in order):
                self.model = model
                in_order = order
                break
        else:
            raise AssertionError(f"no order explains {answers}")
        for grant in requests:
            self.observed[grant.grant_id] = Observed()
        outcome_of = dict(zip(steps, outcomes, strict=True))
        replaced_by = {g.grant_id: ids for g, ids in zip(requests, replaced, strict=True)}
        # In the order that explains the outcomes: of two concurrent votes, either may have come first.
        for event in in_order:
            if isinstance(event, DeviceGrant):
                for grant_id in replaced_by[event.grant_id]:
                    self.observe(grant_id, "replaced", self.model[grant_id], 0)
            elif isinstance(outcome := outcome_of[event], DeviceGrant):
                self.observe(event.grant_id, event.name, outcome, event.number)

    def explains(
        self, model: dict[str, DeviceGrant], event: DeviceGrant | Step, answers: Mapping[object, object]
    ) -> bool:
        """Apply the pure rules to ``model``; return whether they give the answer that the store gave."""
        if isinstance(event, Step):
            outcome = event.rule(model[event.grant_id]) if event.grant_id in model else Refusal.UNKNOWN
            if isinstance(outcome, DeviceGrant):
                model[event.grant_id] = outcome
            return outcome == answers[event]
        answer = answers[event.grant_id]
        assert isinstance(answer, list)
        same = [g for g in model.values() if (g.identity, g.source_address) == (event.identity, event.source_address)]
        # A store may leave a request unchanged that has expired and can no longer be decided.
        live = [g for g in same if g.grant_id in answer or g.state_at(self.now) is not GrantState.EXPIRED]
        replaced = [after for g in live if isinstance(after := g.replaced(event.grant_id), DeviceGrant)]
        opened = event
        for after in replaced:
            opened = opened.following(model[after.grant_id], entry_of(event))
        model.update((after.grant_id, after) for after in replaced)
        model[event.grant_id] = opened
        return sorted(after.grant_id for after in replaced) == answer

    def observe(self, grant_id: str, name: str, outcome: DeviceGrant, number: int) -> None:
        """Check what must never happen, whatever the rules say."""
        seen = self.observed[grant_id]
        match name:
            case "approve":
                assert not seen.approved
                assert not seen.ended
                seen.approved = True
            case "vote":
                assert not seen.approved
                assert not seen.ended
                seen.approved = outcome.state is not GrantState.PENDING
                votes = [*outcome.votes, *([outcome.decision] if outcome.decision else [])]
                assert len({vote.author.name for vote in votes}) == len(votes) == (2 if seen.approved else 1)
            case "deny" | "replaced":
                assert not seen.approved
                assert not seen.tokens
                seen.ended = True
            case "redeem":
                assert seen.approved
                assert not seen.ended
                assert not seen.revoked
                seen.tokens.add(outcome.token_digest)
                assert len(seen.tokens) == 1
            case "deliver":
                assert seen.tokens
                assert not seen.revoked
                seen.delivered.add(number)
            case "revoke":
                assert seen.approved
                seen.revoked = True
            case "void":
                assert seen.approved
                assert not seen.delivered
                seen.revoked = True


def entry_of(grant: DeviceGrant) -> str:
    """Return the fingerprint of this machine's entry."""
    return ENTRIES[int(grant.identity.serial[2:])]


def in_memory(_place: ExitStack) -> Servers:
    database = MemoryDatabase()

    async def servers(_stack: AsyncExitStack, _now: float) -> Sequence[GrantStore]:
        return [database.grants]

    return servers


def on_sqlite(place: ExitStack) -> Servers:
    folder = Path(place.enter_context(TemporaryDirectory()))

    async def servers(stack: AsyncExitStack, now: float) -> Sequence[GrantStore]:
        return [stack.enter_context(SqliteDatabase(folder, now)).grants]

    return servers


def on_postgresql(cluster: Cluster, place: ExitStack) -> Servers:
    address = place.enter_context(migrated(cluster))

    async def servers(stack: AsyncExitStack, _now: float) -> Sequence[GrantStore]:
        return [(await stack.enter_async_context(open_postgres(address, 3))).grants for _ in range(2)]

    return servers


def live(places: Callable[[ExitStack], Servers], examples: int) -> None:
    life = type("Life", (GrantLife,), {"places": staticmethod(places)})
    checks = list(HealthCheck)
    run_machine(
        life,
        settings=settings(
            max_examples=examples, stateful_step_count=25, deadline=None, database=None, suppress_health_check=checks
        ),
    )


def test_in_memory() -> None:
    live(in_memory, 60)


def test_on_sqlite() -> None:
    live(on_sqlite, 15)


def test_on_two_servers_of_one_postgresql(postgres: Cluster) -> None:
    live(partial(on_postgresql, postgres), 8)
