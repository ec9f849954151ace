"""A machine that no entry knows is given one."""

from __future__ import annotations

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.operators import Actor, Label, Role
from bootgrant.ports.configurations import MachineEntry
from bootgrant.ports.grants import Assignment
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.assign_machine import NotAssigned
from bootgrant.workflows.decide.decide_grant import NotDecided
from support.deciding import ANA, CP, Deciders, worker
from support.grants import MAC, NOW, UUID, other_machine

pytestmark = pytest.mark.anyio


@pytest.fixture
def site() -> Deciders:
    made = Deciders()
    made.entries.known += [CP, worker(1)]
    return made


async def test_an_assigned_machine_gets_its_entry_and_still_has_to_be_approved(site: Deciders) -> None:
    grant = await site.asks(MachineIdentity(mac=MAC))
    assert isinstance(await site.assign.assign(grant.grant_id, "worker-1", ANA), Assignment)
    card = await site.decide.cards.show(grant.grant_id)
    assert card is not None
    assert card.entry is not None
    assert (card.entry.name, card.entry.matched, card.is_expected) == ("worker-1", "assigned by ana", False)
    assert isinstance(await site.decide.approve(grant.grant_id, ANA), DeviceGrant)
    assert [event.kind for event in await site.noted()] == [AuditKind.ASSIGNED, AuditKind.APPROVED]


async def test_it_is_remembered_when_the_machine_asks_again(site: Deciders) -> None:
    grant = await site.asks(MachineIdentity(uuid=UUID.replace("4", "5"), mac=MAC))
    await site.assign.assign(grant.grant_id, "worker-1", ANA)
    again = await site.asks(MachineIdentity(mac=MAC), "10.20.0.12")
    card = await site.decide.cards.show(again.grant_id)
    assert card is not None
    assert card.assignment is not None
    assert card.assignment.at == NOW


async def test_another_machine_with_the_same_mac_does_not_get_it(site: Deciders) -> None:
    grant = await site.asks(MachineIdentity(serial="SN-A", mac=MAC))
    await site.assign.assign(grant.grant_id, "worker-1", ANA)
    other = await site.asks(MachineIdentity(serial="SN-B", mac=MAC))
    card = await site.decide.cards.show(other.grant_id)
    assert card is not None
    assert card.entry is None


async def test_what_cannot_be_assigned_says_why(site: Deciders) -> None:
    unknown, known = await site.asks(other_machine(77)), await site.asks(other_machine(1))
    limited = Actor("cleo", Role.APPROVER, (Label("site", "ams"),))
    outcomes = [
        await site.assign.assign(unknown.grant_id, "worker-99", ANA),
        await site.assign.assign(known.grant_id, "cp-1", ANA),
        await site.assign.assign(unknown.grant_id, "worker-1", limited),
        await site.assign.assign(unknown.grant_id, "worker-1", Actor("vic", Role.VIEWER)),
        await site.assign.assign("no such request", "worker-1", ANA),
        await site.assign.unassign(MachineIdentity(mac=MAC), ANA),
    ]
    told = [outcome.message for outcome in outcomes if isinstance(outcome, NotAssigned)]
    assert [text.split(":")[0] for text in told] == [
        "there is no entry 'worker-99'",
        "the configurations give this machine worker-1",
        "you may not decide about this machine (no configuration knows it)",
        "you may not decide about this machine (no configuration knows it)",
        "this request is no longer pending",
        "this machine has no assigned entry",
    ]
    assert await site.noted() == []


async def test_what_was_taken_away_is_no_longer_given(site: Deciders) -> None:
    grant = await site.asks(MachineIdentity(mac=MAC))
    await site.assign.assign(grant.grant_id, "worker-1", ANA)
    assert isinstance(await site.assign.unassign(MachineIdentity(mac=MAC), ANA), Assignment)
    card = await site.decide.cards.show(grant.grant_id)
    assert card is not None
    assert card.entry is None


async def test_only_entries_within_ones_labels_are_offered(site: Deciders) -> None:
    limited = Actor("cleo", Role.APPROVER, (Label("site", "fra"),))
    assert [entry.name for entry in await site.assign.choices(limited)] == ["worker-1"]
    assert len(await site.assign.choices(ANA)) == 2


async def test_what_a_machine_was_given_beyond_ones_labels_stays(site: Deciders) -> None:
    site.entries.known.append(MachineEntry("ams-spare", "", {"site": "ams"}))
    limited = Actor("cleo", Role.APPROVER, (Label("site", "fra"),))
    grant = await site.asks(MachineIdentity(mac=MAC))
    await site.assign.assign(grant.grant_id, "ams-spare", ANA)
    outcome = await site.assign.assign(grant.grant_id, "worker-1", limited)
    assert isinstance(outcome, NotAssigned)
    assert "you may not decide about this machine (it has the entry ams-spare)" in outcome.message
    assert isinstance(await site.decide.approve(grant.grant_id, limited), NotDecided)
    (assignment,) = await site.assign.assigned()
    assert assignment.entry == "ams-spare"


async def test_what_a_machine_was_given_within_ones_labels_can_be_changed_for_another_of_them(site: Deciders) -> None:
    site.entries.known.append(worker(2))
    limited = Actor("cleo", Role.APPROVER, (Label("site", "fra"),))
    grant = await site.asks(MachineIdentity(mac=MAC))
    await site.assign.assign(grant.grant_id, "worker-1", ANA)
    assert isinstance(await site.assign.assign(grant.grant_id, "worker-2", limited), Assignment)
    assert isinstance(await site.assign.assign(grant.grant_id, "cp-1", limited), NotAssigned)
