"""Machines that rules and armed windows let in, and those that they never do."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.grant import DeviceGrant, GrantState
from bootgrant.approval.operators import Actor, Label, Role
from bootgrant.approval.policy import Conditions, Rule, Window, parse_selector
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.auto_approve import AutoApprove
from bootgrant.workflows.decide.windows import NotArmed, WindowRequest
from support.deciding import ANA, CP, Deciders, worker
from support.grants import NOW, UUID, other_machine, pending_grant
from support.memory.decisions import MemoryWindowStore

pytestmark = pytest.mark.anyio
WORKERS = Conditions(
    (parse_selector("role=worker"),), (ipaddress.ip_network("10.20.0.0/16"),), ("network", "inventory", "history")
)
RULE = Rule("workers", WORKERS)
EVERYTHING = Rule("everything", Conditions((parse_selector("*"),)))


def site(*rules: Rule, workers: int = 20) -> Deciders:
    made = Deciders(rules)
    made.entries.known += [CP, *(worker(number) for number in range(workers))]
    return made


async def armed(made: Deciders, count: int = 3, *select: str) -> Window:
    outcome = await made.arm.arm(WindowRequest(select or ("site=fra",), 3600.0, count, name="rack4"), ANA)
    assert isinstance(outcome, Window)
    return outcome


async def let_in(made: Deciders, *grants: DeviceGrant) -> list[bool]:
    await made.auto_approve.step()
    return [(await made.now(grant)).state is GrantState.APPROVED for grant in grants]


async def test_nobody_is_let_in_where_there_is_neither_rule_nor_window() -> None:
    made = site()
    assert await let_in(made, await made.asks(other_machine(1))) == [False]


async def test_a_rule_lets_in_the_expected_and_the_audit_names_it() -> None:
    made = site(RULE)
    grant = await made.asks(other_machine(1))
    assert await let_in(made, grant) == [True]
    (event,) = await made.noted()
    assert (event.kind, event.actor, event.via, event.entry) == (AuditKind.APPROVED, "rule workers", "rule", "worker-1")
    assert {check.name for check in event.evidence} == {"network", "inventory", "history"}
    decision = (await made.now(grant)).decision
    assert decision is not None
    assert decision.by == "rule workers"


@pytest.mark.parametrize(
    ("identity", "address"),
    [
        (other_machine(1), "10.66.0.6"),
        (MachineIdentity(serial="SN0001", mac="52:54:00:00:00:01"), "10.66.0.6"),
        (other_machine(77), "10.20.0.11"),
        (MachineIdentity(uuid=UUID), "10.20.0.11"),
    ],
)
async def test_a_rule_leaves_the_others_to_people(identity: MachineIdentity, address: str) -> None:
    made = site(RULE)
    assert await let_in(made, await made.asks(identity, address)) == [False]


async def test_no_rule_lets_in_a_control_plane() -> None:
    made = site(EVERYTHING)
    assert await let_in(made, await made.asks(MachineIdentity(uuid=UUID))) == [False]
    assert await made.noted() == []


async def test_no_rule_lets_in_what_evidence_speaks_against() -> None:
    made = site(EVERYTHING)
    await made.database.audit.append(
        [AuditEvent(NOW - 9000, AuditKind.DELIVERED, grant_id="old", identity=other_machine(1), entry="worker-1")]
    )
    assert await let_in(made, await made.asks(other_machine(1)), await made.asks(other_machine(2))) == [False, True]


async def test_a_window_lets_in_as_many_as_it_has_places() -> None:
    made = site()
    await armed(made, 3)
    grants = [await made.asks(other_machine(number)) for number in range(8)]
    assert sum(await let_in(made, *grants)) == 3
    assert (await made.database.windows.windows())[0].used == 3
    assert await made.arm.windows() == []
    approved = [event for event in await made.noted() if event.kind is AuditKind.APPROVED]
    assert {event.actor for event in approved} == {"window rack4 by ana"}


async def test_who_waits_already_is_let_in_when_a_window_is_armed() -> None:
    made = site()
    grant = await made.asks(other_machine(1))
    await armed(made)
    assert await let_in(made, grant) == [True]


async def test_a_window_that_is_over_or_closed_lets_nobody_in() -> None:
    made = site()
    await armed(made)
    made.clock.advance(3601)
    assert await let_in(made, await made.asks(other_machine(1))) == [False]
    window = await armed(made)
    assert isinstance(await made.arm.disarm("rack4", ANA), Window)
    assert isinstance(await made.arm.disarm(window.window_id, ANA), NotArmed)
    assert await let_in(made, await made.asks(other_machine(2))) == [False]
    assert [event.kind for event in await made.noted()] == [AuditKind.ARMED, AuditKind.ARMED, AuditKind.DISARMED]


async def test_two_servers_share_a_window() -> None:
    one = site()
    other = Deciders(database=one.database, entries=one.entries, clock=one.clock)
    await armed(one, 5)
    grants = [await (one, other)[number % 2].asks(other_machine(number)) for number in range(14)]
    other.auto_approve.check_all()
    await asyncio.gather(one.auto_approve.step(), other.auto_approve.step())
    states = [(await one.now(grant)).state for grant in grants]
    assert states.count(GrantState.APPROVED) == 5
    assert (await one.database.windows.windows())[0].used == 5


async def test_a_person_who_was_faster_costs_the_window_no_place() -> None:
    made = site()
    await armed(made, 1)
    first, second = await made.asks(other_machine(1)), await made.asks(other_machine(2))
    await made.decide.approve(first.grant_id, ANA)
    assert await let_in(made, second) == [True]


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (WindowRequest(("site=fra",), 8 * 86400.0, 1), "7 days"),
        (WindowRequest(("site=fra",), 0.0, 1), "7 days"),
        (WindowRequest(("site=fra",), 60.0, 0), "1 to 10000"),
        (WindowRequest((), 60.0, 1), "the selector is missing"),
        (WindowRequest(("site=",), 60.0, 1), "label without a name or value"),
        (WindowRequest(("site=fra",), 60.0, 1, ("10.0.0.0/99",)), "neither a network"),
        (WindowRequest(("site=fra",), 60.0, 1, (), ("bmc",)), "there is no evidence named 'bmc'"),
        (WindowRequest(("site=fra",), 60.0, 1, name="a b"), "cannot be the name of a window"),
    ],
)
async def test_a_window_that_makes_no_sense_is_refused(wish: WindowRequest, told: str) -> None:
    made = site()
    outcome = await made.arm.arm(wish, ANA)
    assert isinstance(outcome, NotArmed)
    assert told in outcome.message
    assert await made.noted() == []


@pytest.mark.parametrize(
    ("select", "may"), [("site=fra", True), ("site=fra,role=worker", True), ("role=worker", False), ("site=f*", False)]
)
async def test_who_is_limited_to_labels_arms_within_them(select: str, may: bool) -> None:
    made = site()
    cleo = Actor("cleo", Role.APPROVER, (Label("site", "fra"),))
    outcome = await made.arm.arm(WindowRequest((select,), 60.0, 1), cleo)
    assert isinstance(outcome, Window) is may


async def test_who_may_only_look_arms_nothing() -> None:
    outcome = await site().arm.arm(WindowRequest(("site=fra",), 60.0, 1), Actor("vic", Role.VIEWER))
    assert isinstance(outcome, NotArmed)


async def test_a_new_request_ends_the_wait() -> None:
    made = site(RULE)
    await made.auto_approve.step()
    waiting = asyncio.create_task(made.auto_approve.wait())
    grant = await made.asks(other_machine(1))
    await asyncio.wait_for(waiting, 1)
    assert await let_in(made, grant) == [True]


async def test_an_armed_window_ends_the_wait() -> None:
    made = site()
    await made.auto_approve.step()
    waiting = asyncio.create_task(made.auto_approve.wait())
    await armed(made)
    await asyncio.wait_for(waiting, 1)


class BrokenOnce(MemoryWindowStore):
    """A store of windows that is unavailable the first time."""

    failures = 1

    async def windows(self) -> Sequence[Window]:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("disk full")
        return await super().windows()


async def test_a_request_that_came_while_the_store_was_unavailable_is_checked_later() -> None:
    made = site(RULE)
    made.database.windows = BrokenOnce()
    made.auto_approve = AutoApprove(
        made.database.grants, made.database.windows, made.cards, made.decide, made.clock, (RULE,)
    )
    grant = await made.asks(other_machine(1))
    with pytest.raises(StoreUnavailable):
        await made.auto_approve.step()
    assert await let_in(made, grant) == [True]


async def test_pending_requests_of_other_servers_are_checked_now_and_then() -> None:
    made = site(RULE)
    await made.auto_approve.step()
    grant, _ = pending_grant(identity=other_machine(1))
    await made.database.grants.open_grant(grant)
    assert await let_in(made, grant) == [False]
    made.clock.advance(30)
    assert await let_in(made, grant) == [True]
