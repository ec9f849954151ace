"""Requests that rules and armed windows approve, and those that they never do."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.grant import DeviceGrant, Refusal
from bootgrant.approval.operators import VIA_RULE, Actor, Author, Label, Refused, Role, parse_labels
from bootgrant.approval.policy import Conditions, Rule, Window, parse_selector
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.configurations import ConfigUnavailable, Rendered
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.auto_approve import AutoApprove
from bootgrant.workflows.decide.decide_grant import NotDecided
from bootgrant.workflows.decide.windows import WindowRequest, beyond_limits
from support.deciding import ANA, CP, Deciders, worker
from support.entries import Entries
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
    outcome = await made.arm.arm(WindowRequest(select or ("site=fra",), 3600.0, count, name="rack4", forced=True), ANA)
    assert isinstance(outcome, Window)
    return outcome


async def approved(made: Deciders, *grants: DeviceGrant) -> list[bool]:
    """Run one step; return which of the requests are approved."""
    await made.auto_approve.step()
    return [(await made.current(grant)).state is GrantState.APPROVED for grant in grants]


async def test_nothing_is_approved_without_a_rule_and_a_window() -> None:
    made = site()
    assert await approved(made, await made.request(other_machine(1))) == [False]


async def test_a_rule_approves_an_expected_machine_and_the_audit_names_the_rule() -> None:
    made = site(RULE)
    grant = await made.request(other_machine(1))
    assert await approved(made, grant) == [True]
    (event,) = await made.events()
    assert (event.kind, event.actor, event.via, event.entry) == (AuditKind.APPROVED, "rule workers", "rule", "worker-1")
    assert {check.name for check in event.evidence} == {"network", "inventory", "history"}
    decision = (await made.current(grant)).decision
    assert decision is not None
    assert (decision.by, decision.author) == ("rule workers", Author("rule workers", VIA_RULE))


@pytest.mark.parametrize(
    ("identity", "address"),
    [
        (other_machine(1), "10.66.0.6"),
        (MachineIdentity(serial="SN0001", mac="52:54:00:00:00:01"), "10.66.0.6"),
        (other_machine(77), "10.20.0.11"),
        (MachineIdentity(uuid=UUID), "10.20.0.11"),
    ],
)
async def test_a_rule_leaves_other_machines_to_people(identity: MachineIdentity, address: str) -> None:
    made = site(RULE)
    assert await approved(made, await made.request(identity, address)) == [False]


async def test_no_rule_approves_a_control_plane() -> None:
    made = site(EVERYTHING)
    assert await approved(made, await made.request(MachineIdentity(uuid=UUID))) == [False]
    assert await made.events() == []


async def test_neither_a_rule_nor_a_window_nor_a_batch_approves_a_worker_with_keys_of_the_cluster() -> None:
    made = Deciders([EVERYTHING], entries=Entries([replace(worker(1), precious=("cluster.ca.key",)), worker(2)]))
    await armed(made)
    precious, usual = await made.request(other_machine(1)), await made.request(other_machine(2))
    assert await approved(made, precious, usual) == [False, True]
    (outcome,) = await made.decide.approve_many([(precious.grant_id, "")], ANA, as_batch=True)
    assert isinstance(outcome, NotDecided)
    assert outcome.refusal is Refusal.NOT_IN_BATCH
    assert isinstance(await made.decide.approve(precious.grant_id, ANA), DeviceGrant)
    assert (await made.current(precious)).state is GrantState.PENDING


async def test_no_rule_approves_a_machine_whose_evidence_mismatches() -> None:
    made = site(EVERYTHING)
    await made.database.audit.append(
        [AuditEvent(NOW - 9000, AuditKind.DELIVERED, grant_id="old", identity=other_machine(1), entry="worker-1")]
    )
    grants = await made.request(other_machine(1)), await made.request(other_machine(2))
    assert await approved(made, *grants) == [False, True]


async def test_no_rule_approves_a_request_that_was_decided_or_has_expired() -> None:
    made = site(EVERYTHING)
    denied, expired = await made.request(other_machine(1)), await made.request(other_machine(2))
    await made.decide.deny(denied.grant_id, ANA, "no")
    made.clock.advance(600)
    assert await approved(made, denied, expired) == [False, False]


async def test_a_window_approves_as_many_machines_as_it_has_places() -> None:
    made = site()
    await armed(made, 3)
    grants = [await made.request(other_machine(number)) for number in range(8)]
    assert sum(await approved(made, *grants)) == 3
    assert (await made.database.windows.windows())[0].used == 3
    assert await made.arm.windows() == []
    events = [event for event in await made.events() if event.kind is AuditKind.APPROVED]
    assert {(event.actor, event.via) for event in events} == {("window rack4 by ana", "rule")}


async def test_a_window_uses_no_place_for_machines_that_it_does_not_select() -> None:
    made = site()
    await armed(made, 3, "site=ams")
    assert await approved(made, await made.request(other_machine(1))) == [False]
    assert (await made.database.windows.windows())[0].used == 0


async def test_a_rule_comes_before_a_window_and_uses_no_place_of_it() -> None:
    made = site(RULE)
    await armed(made, 3)
    assert await approved(made, await made.request(other_machine(1))) == [True]
    assert (await made.database.windows.windows())[0].used == 0


async def test_a_pending_request_is_approved_when_a_window_is_armed() -> None:
    made = site()
    grant = await made.request(other_machine(1))
    await armed(made)
    assert await approved(made, grant) == [True]


async def test_a_window_that_has_ended_or_was_closed_approves_nothing() -> None:
    made = site()
    await armed(made)
    made.clock.advance(3601)
    assert await approved(made, await made.request(other_machine(1))) == [False]
    window = await armed(made)
    assert isinstance(await made.arm.disarm("rack4", ANA), Window)
    assert isinstance(await made.arm.disarm(window.window_id, ANA), Refused)
    assert await approved(made, await made.request(other_machine(2))) == [False]
    assert [event.kind for event in await made.events()] == [AuditKind.ARMED, AuditKind.ARMED, AuditKind.DISARMED]


async def test_two_servers_share_a_window() -> None:
    one = site()
    other = Deciders(database=one.database, entries=one.entries, clock=one.clock)
    await armed(one, 5)
    grants = [await (one, other)[number % 2].request(other_machine(number)) for number in range(14)]
    other.auto_approve.check_all()
    await asyncio.gather(one.auto_approve.step(), other.auto_approve.step())
    states = [(await one.current(grant)).state for grant in grants]
    assert states.count(GrantState.APPROVED) == 5
    assert (await one.database.windows.windows())[0].used == 5


async def test_a_person_who_was_faster_costs_the_window_no_place() -> None:
    made = site()
    await armed(made, 1)
    first, second = await made.request(other_machine(1)), await made.request(other_machine(2))
    await made.decide.approve(first.grant_id, ANA)
    assert await approved(made, second) == [True]


class RenderedOnce(Entries):
    """A source whose configurations cannot be rendered the first time."""

    async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
        if identity.serial == "SN0001":
            raise ConfigUnavailable("broken", "config broken, retrying")
        return await super().render(name, identity)


async def test_a_place_is_given_back_when_the_approval_fails() -> None:
    made = Deciders(entries=RenderedOnce([worker(1), worker(2)]))
    await armed(made, 1)
    grants = await made.request(other_machine(1)), await made.request(other_machine(2))
    await made.auto_approve.step()
    made.auto_approve.check_all()
    assert await approved(made, *grants) == [False, True]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (WindowRequest(("site=fra",), 7 * 86400.0 + 1, 1), "a window can be open for at most 7 days"),
        (WindowRequest(("site=fra",), 0.0, 1), "7 days"),
        (WindowRequest(("site=fra",), 60.0, 0), "a window can approve 1 to 10000 machines"),
        (WindowRequest(("site=fra",), 60.0, 10_001), "1 to 10000"),
        (WindowRequest((), 60.0, 1), "the selector is missing"),
        (WindowRequest(("site=",), 60.0, 1), "label without a name or value"),
        (WindowRequest(("site=fra",), 60.0, 1, ("10.0.0.0/99",)), "neither a network"),
        (WindowRequest(("site=fra",), 60.0, 1, (), ("bmc",)), "there is no evidence named 'bmc'"),
        (WindowRequest(("site=fra",), 60.0, 1, name="a b"), "cannot be the name of a window"),
        (WindowRequest(("site=fra",), 60.0, 1, name="a" * 64), "cannot be the name of a window"),
    ],
)
async def test_a_window_that_makes_no_sense_is_refused(wanted: WindowRequest, message: str) -> None:
    made = site()
    outcome = await made.arm.arm(wanted, ANA)
    assert isinstance(outcome, Refused)
    assert message in outcome.message
    assert await made.events() == []


@pytest.mark.parametrize(("seconds", "count"), [(7 * 86400.0, 10_000), (0.5, 1)])
async def test_the_longest_and_the_shortest_window_can_be_armed(seconds: float, count: int) -> None:
    made = site()
    window = await made.arm.arm(WindowRequest(("site=fra",), seconds, count, name="a" * 63), ANA)
    assert isinstance(window, Window)
    assert (window.armed_at, window.until, window.count) == (NOW, NOW + seconds, count)


async def test_a_window_without_a_name_is_named_by_its_id() -> None:
    window = await site().arm.arm(WindowRequest(("site=fra",), 60.0, 1), ANA)
    assert isinstance(window, Window)
    assert window.name == window.window_id
    assert len(window.window_id) == 8


async def test_only_one_open_window_has_a_name() -> None:
    made = site()
    await armed(made)
    outcome = await made.arm.arm(WindowRequest(("site=fra",), 60.0, 1, name="rack4"), ANA)
    assert isinstance(outcome, Refused)
    assert outcome.message == "a window named 'rack4' is open already: choose another name"
    made.clock.advance(3600)
    await armed(made)


async def test_arming_and_closing_a_window_are_recorded_with_their_author() -> None:
    made = site()
    ana, ben = Actor("ana", Role.APPROVER, via="passkey"), Actor("ben", Role.ADMIN)
    wanted = WindowRequest(("site=fra", "rack4-*"), 3600.0, 3, ("10.20.0.0/16",), ("network",), "rack4", forced=True)
    assert isinstance(await made.arm.arm(wanted, ana), Window)
    await made.arm.disarm("rack4", ben)
    window, closed = await made.events()
    assert (window.kind, window.actor, window.via) == (AuditKind.ARMED, "ana (passkey)", "passkey")
    assert (closed.kind, closed.actor, closed.via) == (AuditKind.DISARMED, "ben", "session")
    assert (
        window.details
        == closed.details
        == {
            "window": window.details["window"],
            "name": "rack4",
            "select": "site=fra or rack4-*",
            "networks": "10.20.0.0/16",
            "evidence": "network",
            "until": round(NOW + 3600),
            "count": 3,
            "used": 0,
        }
    )


async def test_windows_that_ended_a_month_ago_are_forgotten_when_another_is_armed() -> None:
    made = site()
    await armed(made)
    made.clock.advance(3600 + 30 * 86400)
    await armed(made)
    assert len(await made.database.windows.windows()) == 2
    made.clock.advance(3601)
    await armed(made)
    assert len(await made.database.windows.windows()) == 2


@pytest.mark.parametrize(
    ("select", "may"), [("site=fra", True), ("site=fra,role=worker", True), ("role=worker", False), ("site=f*", False)]
)
async def test_a_person_limited_to_labels_arms_and_closes_within_them(select: str, may: bool) -> None:
    made = site()
    cleo = Actor("cleo", Role.APPROVER, (Label("site", "fra"),))
    outcome = await made.arm.arm(WindowRequest((select,), 60.0, 1), cleo)
    assert isinstance(outcome, Window) is may
    by_ana = await made.arm.arm(WindowRequest((select,), 60.0, 1, name="rack4"), ANA)
    assert isinstance(by_ana, Window)
    assert isinstance(await made.arm.disarm("rack4", cleo), Window) is may


def test_a_selector_keeps_to_limits_when_it_requires_one_of_the_allowed_values() -> None:
    limits = parse_labels(["site=fra", "site=ams", "rack=4"])
    assert beyond_limits([parse_selector("site=ams,rack=4,x-*")], limits) == ""
    assert beyond_limits([parse_selector("site=ams")], limits) == "rack=4"
    assert beyond_limits([parse_selector("rack=4")], limits) == "site=ams or site=fra"
    assert beyond_limits([parse_selector("site=ams,rack=4"), parse_selector("*")], limits) == "rack=4"
    assert beyond_limits([parse_selector("*")], ()) == ""


async def test_a_viewer_arms_and_closes_nothing() -> None:
    made = site()
    vic = Actor("vic", Role.VIEWER)
    assert isinstance(await made.arm.arm(WindowRequest(("site=fra",), 60.0, 1), vic), Refused)
    await armed(made)
    assert isinstance(await made.arm.disarm("rack4", vic), Refused)


async def test_a_new_request_ends_the_wait() -> None:
    made = site(RULE)
    await made.auto_approve.step()
    waiting = asyncio.create_task(made.auto_approve.wait())
    grant = await made.request(other_machine(1))
    await asyncio.wait_for(waiting, 1)
    assert await approved(made, grant) == [True]


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
    grant = await made.request(other_machine(1))
    with pytest.raises(StoreUnavailable):
        await made.auto_approve.step()
    assert await approved(made, grant) == [True]


async def test_pending_requests_of_other_servers_are_checked_now_and_then() -> None:
    made = site(RULE)
    await made.auto_approve.step()
    grant, _ = pending_grant(identity=other_machine(1))
    await made.database.grants.open_grant(grant)
    assert await approved(made, grant) == [False]
    made.clock.advance(30)
    assert await approved(made, grant) == [True]


@pytest.mark.parametrize(
    ("select", "reason"),
    [
        (("sit=fra",), 'no entry has a label "sit"; the labels are site, role'),
        (("site=frq",), "no entry has site=frq; the only value of site is fra"),
        (("site=fra", "wroker-1"), 'no entry is named "wroker-1"; the nearest of 21 names: worker-1'),
        (("cp-1,site=fra",), 'no entry fits all of "site=fra,cp-1" together'),
    ],
)
async def test_a_selector_that_fits_no_entry_is_refused_with_what_exists(select: tuple[str, ...], reason: str) -> None:
    made = site()
    refused = await made.arm.arm(WindowRequest(select, 60.0, 1), ANA)
    assert isinstance(refused, Refused)
    assert refused.message.startswith(reason)
    assert refused.message.endswith(
        'Correct the selector, or add the entries first. To arm it anyway, use --force ("force": true in the API)'
    )
    assert not await made.arm.windows()
    assert not await made.events()
    assert isinstance(await made.arm.arm(WindowRequest(select, 60.0, 1, forced=True), ANA), Window)


async def test_without_entries_a_window_is_only_armed_by_force() -> None:
    refused = await Deciders().arm.arm(WindowRequest(("*",), 60.0, 1), ANA)
    assert isinstance(refused, Refused)
    assert "there are no entries at all" in refused.message


async def test_without_readable_configurations_a_window_is_only_armed_by_force() -> None:
    made = site()
    made.arm = replace(made.arm, source=Unreadable())
    refused = await made.arm.arm(WindowRequest(("site=fra",), 60.0, 1), ANA)
    assert isinstance(refused, Refused)
    assert "the configurations cannot be read, so nobody knows what the selector means: no folder" in refused.message
    assert isinstance(await made.arm.arm(WindowRequest(("site=fra",), 60.0, 1, forced=True), ANA), Window)


class Unreadable(Entries):
    """Configurations that cannot be read."""

    async def entries(self) -> NoReturn:
        raise ConfigUnavailable("no folder", "no folder")
