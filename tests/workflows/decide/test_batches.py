"""Which machines may be approved together, and what a person who assigned an entry counts for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.grant import DeviceGrant, Refusal
from bootgrant.approval.operators import VIA_PASSKEY, Actor, Role, socket_actor, via_token
from bootgrant.approval.policy import Conditions, Rule, parse_selector
from bootgrant.approval.standing import Standing
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.configurations import MachineEntry
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.decide_grant import NotDecided
from bootgrant.workflows.decide.grant_cards import GrantCard
from support.deciding import ANA, BEN, Deciders, worker
from support.entries import Entries
from support.grants import MAC, NOW, other_machine

pytestmark = pytest.mark.anyio
POOL = MachineEntry("pool", "mac 52:2f:*", {"role": "worker"}, match={"mac": (MAC,)}, exact=False)
SPARE = MachineEntry("spare", "name", {"role": "worker"})
PAIR = MachineEntry("pair", "name", {"role": "worker"}, approvals=2)


@pytest.fixture
def site() -> Deciders:
    made = Deciders()
    made.entries.known += [POOL, PAIR, SPARE, *(worker(number) for number in range(5))]
    return made


async def shown(site: Deciders, grant: DeviceGrant) -> GrantCard:
    card = await site.cards.show(grant.grant_id)
    assert card is not None
    return card


async def refused(site: Deciders, grant: DeviceGrant) -> str:
    """Return why a batch does not approve this request, which must stay as it is."""
    (outcome,) = await site.decide.approve_many([(grant.grant_id, "")], ANA, as_batch=True)
    assert isinstance(outcome, NotDecided)
    assert outcome.refusal is Refusal.NOT_IN_BATCH
    assert await site.current(grant) == grant
    return outcome.message


async def test_a_machine_that_an_entry_names_exactly_is_expected_and_approved_in_a_batch(site: Deciders) -> None:
    grant = await site.request(other_machine(1))
    card = await shown(site, grant)
    assert (card.standing, card.is_expected, card.batch_obstacle) == (Standing.EXPECTED, True, "")
    (outcome,) = await site.decide.approve_many([(grant.grant_id, "")], ANA, as_batch=True)
    assert isinstance(outcome, DeviceGrant)


async def test_a_machine_that_only_a_pattern_matched_is_approved_on_its_own(site: Deciders) -> None:
    grant = await site.request(MachineIdentity(mac=MAC))
    card = await shown(site, grant)
    assert (card.standing, card.is_expected, card.may_be_approved_in_a_batch) == (Standing.PATTERN, False, False)
    assert "it is only matched by pattern (mac 52:2f:*)" in await refused(site, grant)
    assert isinstance(await site.decide.approve(grant.grant_id, ANA), DeviceGrant)


async def test_a_machine_with_an_assigned_entry_is_approved_on_its_own(site: Deciders) -> None:
    grant = await site.request(other_machine(77))
    await site.assign.assign(grant.grant_id, "spare", BEN)
    assert (await shown(site, grant)).standing is Standing.ASSIGNED
    assert "its entry was assigned by ben" in await refused(site, grant)
    assert isinstance(await site.decide.approve(grant.grant_id, ANA), DeviceGrant)


@pytest.mark.parametrize("mac", ["", "52:54:00:00:00:09"])
async def test_two_requests_from_one_address_with_the_same_serial_are_approved_on_their_own(
    site: Deciders, mac: str
) -> None:
    first = await site.request(MachineIdentity(serial="SN0001", mac="52:54:00:00:00:01"))
    second = await site.request(MachineIdentity(serial="SN0001", mac=mac))
    assert [(await shown(site, grant)).alike for grant in (first, second)] == [(second.grant_id,), (first.grant_id,)]
    for grant in (first, second):
        assert "another request from the same address reports the same uuid, serial or mac" in await refused(
            site, grant
        )
    await site.decide.deny(second.grant_id, ANA, "not the one with this code")
    assert (await shown(site, first)).may_be_approved_in_a_batch


async def test_machines_that_share_nothing_but_the_address_are_approved_together(site: Deciders) -> None:
    grants = [await site.request(other_machine(number)) for number in (1, 2, 3)]
    outcomes = await site.decide.approve_many([(grant.grant_id, "") for grant in grants], ANA, as_batch=True)
    assert all(isinstance(outcome, DeviceGrant) for outcome in outcomes)


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (MachineIdentity(serial="SN0001", mac=MAC), MachineIdentity(serial="SN0001", mac="52:54:00:00:00:09")),
        (MachineIdentity(serial="SN0009", mac=MAC), MachineIdentity(serial="SN0001", mac=MAC)),
    ],
)
async def test_a_machine_that_differs_from_the_delivered_one_is_a_mismatch_and_in_no_batch(
    site: Deciders, before: MachineIdentity, now: MachineIdentity
) -> None:
    event = AuditEvent(NOW - 9000, AuditKind.DELIVERED, grant_id="old", identity=before, address="a", entry="worker-1")
    await site.database.audit.append([event])
    site.entries.known.remove(POOL)
    grant = await site.request(now)
    card = await shown(site, grant)
    assert (card.standing, card.is_expected) == (Standing.MISMATCH, False)
    assert await refused(site, grant) == "its evidence mismatches: decide about it on its own"
    assert card.past is not None
    changed = card.past.changed(now)
    assert changed is not None
    assert [(one.before, one.now) for one in changed[1]] == [
        (getattr(before, one.name), getattr(now, one.name)) for one in changed[1]
    ]
    assert len(changed[1]) == 1


class Pooled(Entries):
    """A source whose one entry fits every machine by a pattern, as machines/site/selection.py would say."""

    async def find_entry(self, identity: MachineIdentity) -> MachineEntry | None:
        return self.known[0] if identity.mac else None


EVERYTHING = Rule("everything", Conditions((parse_selector("*"),)))
CONFIRMED = Rule("confirmed", Conditions((parse_selector("*"),), (), ("inventory",)))


@pytest.mark.parametrize(("rule", "is_approved"), [(EVERYTHING, True), (CONFIRMED, False)])
async def test_a_rule_that_asks_for_the_inventory_leaves_pattern_matches_to_people(
    rule: Rule, is_approved: bool
) -> None:
    made = Deciders((rule,), entries=Pooled([replace(POOL, match={"mac": ("52:2f:*",)})]))
    grant = await made.request(MachineIdentity(mac=MAC))
    await made.auto_approve.step()
    assert ((await made.current(grant)).state is GrantState.APPROVED) is is_approved


async def test_no_rule_approves_a_machine_whose_entry_a_person_assigned(site: Deciders) -> None:
    made = Deciders((EVERYTHING,), database=site.database, entries=site.entries, clock=site.clock)
    grant, known = await made.request(other_machine(77)), await made.request(other_machine(1))
    await made.assign.assign(grant.grant_id, "spare", ANA)
    assert not (await shown(made, grant)).has_conflict
    await made.auto_approve.step()
    assert (await made.current(grant)).state is GrantState.PENDING
    assert (await made.current(known)).state is GrantState.APPROVED


async def test_no_rule_approves_one_of_two_requests_that_report_the_same(site: Deciders) -> None:
    made = Deciders((EVERYTHING,), database=site.database, entries=site.entries, clock=site.clock)
    grants = [await made.request(MachineIdentity(serial="SN0001", mac=mac)) for mac in ("", "52:54:00:00:00:09")]
    await made.auto_approve.step()
    assert [(await made.current(grant)).state for grant in grants] == [GrantState.PENDING, GrantState.PENDING]


async def assigned_pair(site: Deciders, actor: Actor = ANA) -> DeviceGrant:
    """Return a request whose entry needs two people and was assigned by ``actor``."""
    grant = await site.request(other_machine(77))
    await site.assign.assign(grant.grant_id, "pair", actor)
    return grant


async def votes(site: Deciders, grant: DeviceGrant) -> list[str]:
    return [vote.by for vote in (await site.current(grant)).votes]


async def test_an_assignment_is_no_vote(site: Deciders) -> None:
    grant = await assigned_pair(site)
    assert (await shown(site, grant)).needed == 2
    await site.decide.approve(grant.grant_id, BEN)
    assert await votes(site, grant) == ["ben"]
    assert (await site.current(grant)).state is GrantState.PENDING
    await site.decide.approve(grant.grant_id, ANA)
    assert (await site.current(grant)).state is GrantState.APPROVED


@pytest.mark.parametrize(
    "again",
    [
        ANA,
        Actor("ana", Role.APPROVER, via=VIA_PASSKEY),
        Actor("ANA", Role.APPROVER),
        Actor("laptop", Role.APPROVER, via=via_token("laptop"), owner="ana"),
    ],
)
async def test_who_assigned_is_only_one_of_the_two_people(site: Deciders, again: Actor) -> None:
    grant = await assigned_pair(site)
    await site.decide.approve(grant.grant_id, ANA)
    outcome = await site.decide.approve(grant.grant_id, again)
    assert isinstance(outcome, NotDecided)
    assert outcome.refusal is Refusal.SAME_PERSON
    assert await votes(site, grant) == ["ana"]
    await site.decide.approve(grant.grant_id, BEN)
    assert (await site.current(grant)).state is GrantState.APPROVED


async def test_who_assigned_on_the_admin_socket_is_only_one_of_the_two_people(site: Deciders) -> None:
    grant = await assigned_pair(site, socket_actor("root"))
    await site.decide.approve(grant.grant_id, socket_actor("root"))
    outcome = await site.decide.approve(grant.grant_id, socket_actor("ana"))
    assert isinstance(outcome, NotDecided)
    assert outcome.refusal is Refusal.SAME_PERSON
