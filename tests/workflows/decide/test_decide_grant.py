"""People decide: who may, how many it takes, what the audit says of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.evidence import Verdict
from bootgrant.approval.grant import DeviceGrant, GrantState, Refusal
from bootgrant.approval.operators import Actor, Label, Role, socket_actor, via_token
from bootgrant.ports.configurations import ConfigUnavailable, MachineEntry, Rendered
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.decide_grant import NotDecided
from support.deciding import ANA, BEN, CP, Deciders, worker
from support.entries import Entries
from support.grants import NOW, UUID, other_machine

pytestmark = pytest.mark.anyio


@pytest.fixture
def site() -> Deciders:
    made = Deciders()
    made.entries.known += [CP, worker(1), worker(2)]
    return made


def refusal(outcome: DeviceGrant | NotDecided) -> Refusal:
    assert isinstance(outcome, NotDecided)
    return outcome.refusal


async def test_an_approval_says_what_it_was_for_in_grant_and_audit(site: Deciders) -> None:
    grant = await site.asks(other_machine(1))
    outcome = await site.decide.approve(grant.grant_id, ANA)
    assert isinstance(outcome, DeviceGrant)
    assert (outcome.entry, outcome.fingerprint) == ("worker-1", worker(1).fingerprint)
    (event,) = await site.noted()
    assert (event.kind, event.actor, event.via, event.entry) == (AuditKind.APPROVED, "ana", "session", "worker-1")
    assert event.digest == outcome.approved_sha256 != ""
    assert {check.name: check.verdict for check in event.evidence} == {
        "network": Verdict.MATCH,
        "inventory": Verdict.MATCH,
        "history": Verdict.MATCH,
    }


async def test_a_control_plane_waits_for_a_second_person(site: Deciders) -> None:
    grant = await site.asks(MachineIdentity(uuid=UUID))
    card = await site.decide.cards.show(grant.grant_id)
    assert card is not None
    assert (card.needed, card.may_be_approved_in_a_batch) == (2, False)
    await site.decide.approve(grant.grant_id, ANA)
    assert refusal(await site.decide.approve(grant.grant_id, Actor("Ana", Role.ADMIN, via="oidc:corp"))) is (
        Refusal.SAME_PERSON
    )
    assert (await site.now(grant)).state is GrantState.PENDING
    await site.decide.approve(grant.grant_id, BEN)
    assert (await site.now(grant)).state is GrantState.APPROVED
    assert [(event.kind, event.actor) for event in await site.noted()] == [
        (AuditKind.VOTED, "ana"),
        (AuditKind.APPROVED, "ben"),
    ]


async def test_a_program_that_belongs_to_nobody_cannot_vote(site: Deciders) -> None:
    grant = await site.asks(MachineIdentity(uuid=UUID))
    program = Actor("ci", Role.ADMIN, via=via_token("ci"))
    assert refusal(await site.decide.approve(grant.grant_id, program)) is Refusal.NEEDS_PEOPLE
    one = await site.asks(other_machine(1))
    assert isinstance(await site.decide.approve(one.grant_id, program), DeviceGrant)


async def test_whoever_decides_at_the_same_moment_one_wins_and_the_others_are_told_who(site: Deciders) -> None:
    grant = await site.asks(other_machine(1))
    actors = [Actor(f"operator-{number}", Role.APPROVER) for number in range(10)]
    outcomes = await asyncio.gather(*(site.decide.approve(grant.grant_id, actor) for actor in actors))
    winner = next(outcome for outcome in outcomes if isinstance(outcome, DeviceGrant))
    assert winner.decision is not None
    told = {outcome.message for outcome in outcomes if isinstance(outcome, NotDecided)}
    assert told == {f"already approved by {winner.decision.by}, 0 s ago"}


async def test_labels_limit_who_decides_about_what(site: Deciders) -> None:
    limited = Actor("cleo", Role.APPROVER, (Label("site", "ams"),))
    viewer = Actor("vic", Role.VIEWER)
    known, unknown = await site.asks(other_machine(1)), await site.asks(other_machine(77))
    for grant, actor in ((known, limited), (unknown, limited), (known, viewer)):
        assert refusal(await site.decide.approve(grant.grant_id, actor)) is Refusal.NOT_ALLOWED
        assert refusal(await site.decide.deny(grant.grant_id, actor, "no")) is Refusal.NOT_ALLOWED
    assert await site.noted() == []


async def test_an_entry_that_changed_since_the_page_was_shown_is_not_approved(site: Deciders) -> None:
    grant = await site.asks(other_machine(1))
    card = await site.decide.cards.show(grant.grant_id)
    assert card is not None
    assert card.entry is not None
    site.entries.known[1] = MachineEntry("worker-1", "serial", {"role": "storage"}, match=worker(1).match)
    outcome = await site.decide.approve(grant.grant_id, ANA, card.entry.fingerprint)
    assert refusal(outcome) is Refusal.ENTRY_CHANGED
    assert isinstance(await site.decide.approve(grant.grant_id, ANA), DeviceGrant)


async def test_a_configuration_that_cannot_be_made_is_not_approved(site: Deciders) -> None:
    class Broken(Entries):
        async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
            raise ConfigUnavailable("role/worker/10-net.yaml line 3: no such key", "config broken, retrying")

    broken = Deciders(entries=Broken([worker(1)]))
    grant = await broken.asks(other_machine(1))
    outcome = await broken.decide.approve(grant.grant_id, ANA)
    assert refusal(outcome) is Refusal.NO_CONFIG
    assert isinstance(outcome, NotDecided)
    assert "10-net.yaml line 3" in outcome.message


class ByTemplate(Entries):
    """Whoever asks with SN0001 gets a control plane, by a template that uses the serial."""

    async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
        entry = await self.named_entry(name)
        kind = "controlplane" if identity.serial == "SN0001" else "worker"
        if entry is None:
            return None
        return Rendered(replace(entry, machine_type=kind, varies=False), kind.encode(), "bootgrant")


async def test_a_control_plane_by_template_waits_for_two_people_and_is_approved_as_what_it_gets() -> None:
    templated = replace(worker(1), match={"serial": ("SN0001", "SN0002")}, machine_type="worker", varies=True)
    site = Deciders(entries=ByTemplate([templated]))
    precious, usual = await site.asks(other_machine(1)), await site.asks(other_machine(2))
    card = await site.decide.cards.show(precious.grant_id)
    assert card is not None
    assert card.entry is not None
    assert (card.needed, card.entry.is_control_plane) == (2, True)
    for actor, then in ((ANA, GrantState.PENDING), (BEN, GrantState.APPROVED)):
        await site.decide.approve(precious.grant_id, actor)
        assert (await site.now(precious)).state is then
    approved, made = await site.now(precious), await site.entries.render("worker-1", precious.identity)
    assert made is not None
    assert approved.fingerprint == made.entry.fingerprint
    assert isinstance(await site.decide.approve(usual.grant_id, ANA), DeviceGrant)
    assert (await site.now(usual)).state is GrantState.APPROVED


async def test_an_assigned_control_plane_by_template_waits_for_two_people_too() -> None:
    templated = replace(worker(1), match={}, machine_type="worker", varies=True)
    site = Deciders(entries=ByTemplate([templated]))
    grant = await site.asks(other_machine(1))
    await site.assign.assign(grant.grant_id, "worker-1", Actor("root", Role.ADMIN))
    card = await site.decide.cards.show(grant.grant_id)
    assert card is not None
    assert card.assignment is not None
    assert card.needed == 2


async def test_what_changes_between_the_card_and_the_rendering_is_not_approved() -> None:
    class Hasty(Entries):
        async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
            return Rendered(replace(worker(1), machine_type="controlplane"), b"x", "file")

    site = Deciders(entries=Hasty([worker(1)]))
    grant = await site.asks(other_machine(1))
    assert refusal(await site.decide.approve(grant.grant_id, ANA)) is Refusal.ENTRY_CHANGED
    assert (await site.now(grant)).state is GrantState.PENDING


async def test_a_denial_and_a_revocation_stand_in_the_audit(site: Deciders) -> None:
    denied, approved = await site.asks(other_machine(1)), await site.asks(other_machine(2))
    await site.decide.deny(denied.grant_id, ANA, "not\n today")
    await site.decide.approve(approved.grant_id, socket_actor("root"))
    await site.decide.revoke(approved.grant_id, BEN)
    told = [(event.kind, event.actor, event.reason, event.entry) for event in await site.noted()]
    assert told == [
        (AuditKind.DENIED, "ana", "not today", "worker-1"),
        (AuditKind.APPROVED, "root (admin.sock)", "", "worker-2"),
        (AuditKind.REVOKED, "ben", "", "worker-2"),
    ]


async def test_only_who_may_decide_about_a_machine_takes_its_approval_back(site: Deciders) -> None:
    grant = await site.asks(other_machine(1))
    await site.decide.approve(grant.grant_id, ANA)
    for labels, allowed in (((Label("site", "ams"),), False), ((Label("site", "fra"),), True)):
        outcome = await site.decide.revoke(grant.grant_id, Actor("cleo", Role.ADMIN, labels))
        assert isinstance(outcome, DeviceGrant) is allowed


async def test_the_card_tells_the_machines_past(site: Deciders) -> None:
    first = await site.asks(other_machine(1))
    await site.decide.deny(first.grant_id, ANA, "not today")
    second = await site.asks(other_machine(1), "10.66.0.6")
    card = await site.decide.cards.show(second.grant_id)
    assert card is not None
    assert card.past is not None
    assert card.past.denials == ((NOW, "ana", "not today"),)
    assert card.has_conflict
    assert card.evidence[0].detail == "request from 10.66.0.6, but worker-1 is expected in 10.20.0.0/16"


async def test_a_flood_of_requests_does_not_push_a_denial_off_the_card(site: Deciders) -> None:
    first = await site.asks(other_machine(1))
    await site.decide.deny(first.grant_id, ANA, "not today")
    flood = [AuditEvent(NOW, AuditKind.OPENED, grant_id=str(n), identity=other_machine(1)) for n in range(300)]
    await site.database.audit.append(flood)
    card = await site.decide.cards.show((await site.asks(other_machine(1))).grant_id)
    assert card is not None
    assert card.past is not None
    assert card.past.denials == ((NOW, "ana", "not today"),)


async def test_of_many_those_that_changed_since_the_list_was_shown_are_left(site: Deciders) -> None:
    same, changed, rivalled = [await site.asks(other_machine(number)) for number in (1, 2, 3)]
    site.entries.known.append(worker(3))
    chosen = [(grant.grant_id, worker(n).fingerprint) for n, grant in ((1, same), (2, changed), (3, rivalled))]
    site.entries.known[2] = MachineEntry("worker-2", "serial", {"role": "storage"}, match=worker(2).match)
    await site.asks(other_machine(3), "10.20.0.99")
    outcomes = await site.decide.approve_many(chosen, ANA, as_batch=True)
    assert isinstance(outcomes[0], DeviceGrant)
    assert [refusal(outcome) for outcome in outcomes[1:]] == [Refusal.ENTRY_CHANGED, Refusal.ENTRY_CHANGED]
    assert (await site.now(rivalled)).state is GrantState.PENDING


async def test_of_many_what_needs_two_people_is_left_without_a_vote(site: Deciders) -> None:
    grant = await site.asks(MachineIdentity(uuid=UUID))
    (outcome,) = await site.decide.approve_many([(grant.grant_id, CP.fingerprint)], ANA, as_batch=True)
    assert refusal(outcome) is Refusal.ENTRY_CHANGED
    assert (await site.now(grant)).votes == ()
