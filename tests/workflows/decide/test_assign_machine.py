"""A person assigns an entry to a machine that the configurations do not know."""

from __future__ import annotations

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.operators import VIA_PASSKEY, Actor, Label, Refused, Role
from bootgrant.ports.configurations import MachineEntry
from bootgrant.ports.grants import Assignment
from bootgrant.wire.identity import MachineIdentity
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
    grant = await site.request(MachineIdentity(mac=MAC))
    assert isinstance(await site.assign.assign(grant.grant_id, "worker-1", ANA), Assignment)
    card = await site.cards.show(grant.grant_id)
    assert card is not None
    assert card.entry is not None
    assert (card.entry.name, card.entry.matched, card.is_expected) == ("worker-1", "assigned by ana", False)
    assert isinstance(await site.decide.approve(grant.grant_id, ANA), DeviceGrant)
    assert [event.kind for event in await site.events()] == [AuditKind.ASSIGNED, AuditKind.APPROVED]


async def test_an_assignment_is_recorded_with_its_author_and_its_machine(site: Deciders) -> None:
    grant = await site.request(MachineIdentity(mac=MAC, hostname="spare"))
    ana = Actor("ana", Role.APPROVER, via=VIA_PASSKEY)
    await site.assign.assign(grant.grant_id, "worker-1", ana)
    await site.assign.unassign(MachineIdentity(mac=MAC), ana)
    assigned, unassigned = await site.events()
    for event in (assigned, unassigned):
        assert (event.actor, event.via, event.entry) == ("ana (passkey)", "passkey", "worker-1")
        assert event.identity == MachineIdentity(mac=MAC)
    assert (assigned.kind, assigned.grant_id, assigned.address) == (AuditKind.ASSIGNED, grant.grant_id, "10.20.0.11")
    assert (unassigned.kind, unassigned.grant_id, unassigned.address) == (AuditKind.UNASSIGNED, "", "")


async def test_an_assignment_is_used_when_the_machine_asks_again(site: Deciders) -> None:
    grant = await site.request(MachineIdentity(uuid=UUID.replace("4", "5"), mac=MAC))
    await site.assign.assign(grant.grant_id, "worker-1", ANA)
    again = await site.request(MachineIdentity(mac=MAC), "10.20.0.12")
    card = await site.cards.show(again.grant_id)
    assert card is not None
    assert card.assignment is not None
    assert card.assignment.at == NOW


async def test_another_machine_with_the_same_mac_does_not_get_it(site: Deciders) -> None:
    grant = await site.request(MachineIdentity(serial="SN-A", mac=MAC))
    await site.assign.assign(grant.grant_id, "worker-1", ANA)
    other = await site.request(MachineIdentity(serial="SN-B", mac=MAC))
    card = await site.cards.show(other.grant_id)
    assert card is not None
    assert card.entry is None


async def test_a_refusal_says_why(site: Deciders) -> None:
    unknown, known = await site.request(other_machine(77)), await site.request(other_machine(1))
    decided = await site.request(other_machine(78))
    await site.database.grants.change_grant(decided.grant_id, lambda grant: grant.replaced("next"))
    limited = Actor("cleo", Role.APPROVER, (Label("site", "ams"),))
    outcomes = [
        await site.assign.assign(unknown.grant_id, "worker-99", ANA),
        await site.assign.assign(known.grant_id, "cp-1", ANA),
        await site.assign.assign(unknown.grant_id, "worker-1", limited),
        await site.assign.assign(unknown.grant_id, "worker-1", Actor("vic", Role.VIEWER)),
        await site.assign.assign("no such request", "worker-1", ANA),
        await site.assign.assign(decided.grant_id, "worker-1", ANA),
        await site.assign.unassign(MachineIdentity(mac=MAC), ANA),
    ]
    messages = [outcome.message for outcome in outcomes if isinstance(outcome, Refused)]
    assert [text.split(":")[0] for text in messages] == [
        "there is no entry 'worker-99'",
        "the configurations give this machine worker-1",
        "you may not decide about this machine (no configuration knows it)",
        "you may not decide about this machine (no configuration knows it)",
        "this request is no longer pending",
        "this request is no longer pending",
        "this machine has no assigned entry",
    ]
    assert await site.events() == []


async def test_a_removed_assignment_is_no_longer_used(site: Deciders) -> None:
    grant = await site.request(MachineIdentity(mac=MAC))
    await site.assign.assign(grant.grant_id, "worker-1", ANA)
    assert isinstance(await site.assign.unassign(MachineIdentity(mac=MAC), ANA), Assignment)
    card = await site.cards.show(grant.grant_id)
    assert card is not None
    assert card.entry is None
    assert await site.assign.assignments.assignments() == []


async def test_a_person_can_only_assign_entries_within_their_labels(site: Deciders) -> None:
    limited = Actor("cleo", Role.APPROVER, (Label("site", "fra"),))
    assert [entry.name for entry in await site.assign.choices(limited)] == ["worker-1"]
    assert len(await site.assign.choices(ANA)) == 2


async def test_an_assignment_outside_a_persons_labels_cannot_be_changed_by_them(site: Deciders) -> None:
    site.entries.known.append(MachineEntry("ams-spare", "", {"site": "ams"}))
    limited = Actor("cleo", Role.APPROVER, (Label("site", "fra"),))
    grant = await site.request(MachineIdentity(mac=MAC))
    await site.assign.assign(grant.grant_id, "ams-spare", ANA)
    outcome = await site.assign.assign(grant.grant_id, "worker-1", limited)
    assert isinstance(outcome, Refused)
    assert "you may not decide about this machine (it has the entry ams-spare)" in outcome.message
    outcome = await site.assign.unassign(MachineIdentity(mac=MAC), limited)
    assert isinstance(outcome, Refused)
    assert outcome.message == "you may not unassign ams-spare: it is outside your labels"
    assert isinstance(await site.decide.approve(grant.grant_id, limited), NotDecided)
    (assignment,) = await site.assign.assignments.assignments()
    assert assignment.entry == "ams-spare"


async def test_an_assignment_within_a_persons_labels_can_be_changed_to_another_one_within_them(site: Deciders) -> None:
    site.entries.known.append(worker(2))
    limited = Actor("cleo", Role.APPROVER, (Label("site", "fra"),))
    grant = await site.request(MachineIdentity(mac=MAC))
    await site.assign.assign(grant.grant_id, "worker-1", ANA)
    assert isinstance(await site.assign.assign(grant.grant_id, "worker-2", limited), Assignment)
    outcome = await site.assign.assign(grant.grant_id, "cp-1", limited)
    assert isinstance(outcome, Refused)
    assert outcome.message == "you may not assign cp-1: it is outside your labels"
