"""People decide: who may, how many it takes, and what is stored and recorded about it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.evidence import Verdict
from bootgrant.approval.grant import DeviceGrant, Refusal
from bootgrant.approval.operators import VIA_PASSKEY, Actor, Author, Label, Role, socket_actor, via_oidc, via_token
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.configurations import ConfigUnavailable, MachineEntry, Rendered
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.decide_grant import REASON_LENGTH, NotDecided, one_line
from support.deciding import ANA, BEN, CP, Deciders, worker
from support.entries import Entries
from support.grants import NOW, UUID, other_machine

pytestmark = pytest.mark.anyio
CONTROL_PLANE = MachineIdentity(uuid=UUID)


@pytest.fixture
def site() -> Deciders:
    made = Deciders()
    made.entries.known += [CP, worker(1), worker(2)]
    return made


def refusal(outcome: DeviceGrant | NotDecided) -> Refusal:
    assert isinstance(outcome, NotDecided)
    return outcome.refusal


def message(outcome: DeviceGrant | NotDecided) -> str:
    assert isinstance(outcome, NotDecided)
    return outcome.message


WAYS = [
    (ANA, Author("ana", "session"), "ana", "session"),
    (Actor("ana", Role.APPROVER, via=VIA_PASSKEY), Author("ana", "passkey"), "ana (passkey)", "passkey"),
    (
        Actor("corp:ana", Role.APPROVER, via=via_oidc("corp")),
        Author("corp:ana", "oidc:corp"),
        "corp:ana (oidc:corp)",
        "oidc:corp",
    ),
    (
        Actor("laptop", Role.APPROVER, via=via_token("laptop"), owner="ana"),
        Author("ana", "token:laptop"),
        "ana (token:laptop)",
        "token:laptop",
    ),
    (Actor("ci", Role.APPROVER, via=via_token("ci")), Author("", "token:ci"), "ci (token:ci)", "token:ci"),
    (socket_actor("root"), Author("root", "admin.sock"), "root (admin.sock)", "admin.sock"),
]


@pytest.mark.parametrize(("actor", "author", "shown", "via"), WAYS)
async def test_who_decided_and_by_which_way_is_stored_and_recorded(
    site: Deciders, actor: Actor, author: Author, shown: str, via: str
) -> None:
    if author.token:
        await site.token(author.token, author.name)
    approved, denied = await site.request(other_machine(1)), await site.request(other_machine(2))
    await site.decide.approve(approved.grant_id, actor)
    await site.decide.deny(denied.grant_id, actor, "no")
    for grant in (approved, denied):
        decision = (await site.current(grant)).decision
        assert decision is not None
        assert (decision.author, decision.by) == (author, shown)
    assert [(event.actor, event.via) for event in await site.events()] == [(shown, via)] * 2


async def test_an_approval_records_what_it_was_for(site: Deciders) -> None:
    grant = await site.request(other_machine(1))
    outcome = await site.decide.approve(grant.grant_id, ANA)
    assert isinstance(outcome, DeviceGrant)
    assert (outcome.entry, outcome.fingerprint) == ("worker-1", worker(1).fingerprint)
    (event,) = await site.events()
    assert (event.kind, event.entry, event.grant_id) == (AuditKind.APPROVED, "worker-1", grant.grant_id)
    assert (event.identity, event.address) == (grant.identity, "10.20.0.11")
    assert event.digest == outcome.approved_sha256 != ""
    assert event.details == {"asked": round(NOW * 1000)}
    assert {check.name: check.verdict for check in event.evidence} == {
        "network": Verdict.MATCH,
        "inventory": Verdict.MATCH,
        "history": Verdict.MATCH,
    }


async def test_a_control_plane_waits_for_a_second_person(site: Deciders) -> None:
    grant = await site.request(CONTROL_PLANE)
    card = await site.cards.show(grant.grant_id)
    assert card is not None
    assert (card.needed, card.may_be_approved_in_a_batch) == (2, False)
    await site.decide.approve(grant.grant_id, ANA)
    again = await site.decide.approve(grant.grant_id, Actor("Ana", Role.ADMIN, via="oidc:corp"))
    assert refusal(again) is Refusal.SAME_PERSON
    assert message(again).startswith("your approval already counts; another person must approve as well")
    assert (await site.current(grant)).state is GrantState.PENDING
    await site.decide.approve(grant.grant_id, BEN)
    approved = await site.current(grant)
    assert approved.state is GrantState.APPROVED
    assert (approved.fingerprint, approved.revision) == (CP.fingerprint, "4f2c9ab")
    card = await site.cards.show(grant.grant_id)
    assert card is not None
    assert (card.needed, [vote.by for vote in card.votes]) == (2, ["ana"])
    assert [(event.kind, event.actor, event.details.get("votes")) for event in await site.events()] == [
        (AuditKind.VOTED, "ana", 1),
        (AuditKind.APPROVED, "ben", 1),
    ]


async def test_a_token_without_an_owner_cannot_vote(site: Deciders) -> None:
    grant = await site.request(CONTROL_PLANE)
    program = await site.token("ci")
    outcome = await site.decide.approve(grant.grant_id, program)
    assert refusal(outcome) is Refusal.NEEDS_PEOPLE
    assert message(outcome).startswith("this machine needs two people: neither a rule nor a token")
    one = await site.request(other_machine(1))
    assert isinstance(await site.decide.approve(one.grant_id, program), DeviceGrant)


async def test_the_first_of_several_decisions_wins_and_the_others_learn_who_was_first(site: Deciders) -> None:
    grant = await site.request(other_machine(1))
    actors = [Actor(f"operator-{number}", Role.APPROVER) for number in range(10)]
    outcomes = await asyncio.gather(*(site.decide.approve(grant.grant_id, actor) for actor in actors))
    winner = next(outcome for outcome in outcomes if isinstance(outcome, DeviceGrant))
    assert winner.decision is not None
    messages = {outcome.message for outcome in outcomes if isinstance(outcome, NotDecided)}
    assert messages == {f"already approved by {winner.decision.by}, 0 s ago"}
    site.clock.advance(5)
    assert message(await site.decide.deny(grant.grant_id, BEN, "")) == (
        f"already approved by {winner.decision.by}, 5 s ago"
    )


async def test_a_refusal_says_what_has_become_of_the_request(site: Deciders) -> None:
    replaced, denied = await site.request(other_machine(1)), await site.request(other_machine(2))
    await site.request(other_machine(1))
    await site.decide.deny(denied.grant_id, ANA, "no")
    expired = await site.request(CONTROL_PLANE)
    assert message(await site.decide.approve(replaced.grant_id, ANA)).startswith("the machine has asked again")
    assert message(await site.decide.approve(denied.grant_id, ANA)) == "already denied by ana, 0 s ago"
    site.clock.advance(600 + 120)
    outcome = await site.decide.approve(expired.grant_id, ANA)
    assert (refusal(outcome), message(outcome)) == (
        Refusal.EXPIRED,
        "this code expired 2 min ago: the machine shows a new one",
    )
    for outcome in (await site.decide.approve("no such id", ANA), await site.decide.deny("no such id", ANA, "")):
        assert (refusal(outcome), message(outcome)[:31]) == (Refusal.UNKNOWN, "no machine has this code: look ")


async def test_labels_and_role_limit_who_decides_about_what(site: Deciders) -> None:
    limited = Actor("cleo", Role.APPROVER, (Label("site", "ams"),))
    viewer = Actor("vic", Role.VIEWER)
    known, unknown = await site.request(other_machine(1)), await site.request(other_machine(77))
    for grant, actor, why in (
        (known, limited, "you may only decide about machines with site=ams"),
        (unknown, limited, "you may only decide about machines with site=ams"),
        (known, viewer, "you may look, but not decide"),
        (known, Actor("olaf", Role.AUDITOR), "you may look, but not decide"),
    ):
        for outcome in (
            await site.decide.approve(grant.grant_id, actor),
            await site.decide.deny(grant.grant_id, actor, "no"),
        ):
            assert (refusal(outcome), message(outcome)) == (Refusal.NOT_ALLOWED, why)
    assert await site.events() == []
    outcome = await site.decide.approve(unknown.grant_id, ANA)
    assert (refusal(outcome), message(outcome)[:34]) == (Refusal.NO_ENTRY, "no configuration for this machine:")
    assert isinstance(await site.decide.deny(unknown.grant_id, ANA, ""), DeviceGrant)


async def test_an_entry_that_changed_since_the_page_was_shown_is_not_approved(site: Deciders) -> None:
    grant = await site.request(other_machine(1))
    card = await site.cards.show(grant.grant_id)
    assert card is not None
    assert card.entry is not None
    site.entries.known[1] = MachineEntry("worker-1", "serial", {"role": "storage"}, match=worker(1).match)
    outcome = await site.decide.approve(grant.grant_id, ANA, card.entry.fingerprint)
    assert outcome == NotDecided(
        Refusal.ENTRY_CHANGED,
        "the entry for this machine has changed since the page was shown: look at it again",
        await site.current(grant),
    )
    assert isinstance(await site.decide.approve(grant.grant_id, ANA), DeviceGrant)


async def test_an_entry_that_is_gone_since_the_page_was_shown_is_not_approved(site: Deciders) -> None:
    grant = await site.request(other_machine(1))
    del site.entries.known[1]
    outcome = await site.decide.approve(grant.grant_id, ANA, worker(1).fingerprint)
    assert refusal(outcome) is Refusal.ENTRY_CHANGED


async def test_a_configuration_that_cannot_be_rendered_is_not_approved() -> None:
    class Broken(Entries):
        async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
            raise ConfigUnavailable("role/worker/10-net.yaml line 3: no such key", "config broken, retrying")

    broken = Deciders(entries=Broken([worker(1)]))
    grant = await broken.request(other_machine(1))
    outcome = await broken.decide.approve(grant.grant_id, ANA)
    assert refusal(outcome) is Refusal.NO_CONFIG
    assert "10-net.yaml line 3" in message(outcome)


@pytest.mark.parametrize("seen", ["", worker(1).fingerprint])
@pytest.mark.parametrize("call", ["find_entry", "render"])
async def test_an_approval_that_meets_a_server_that_is_stopping_may_be_tried_again(call: str, seen: str) -> None:
    """A refusal would say that the decision is over, and a person or a program would not repeat it."""

    class Stopping(Entries):
        is_stopping = True

        async def find_entry(self, identity: MachineIdentity) -> MachineEntry | None:
            self._meet("find_entry")
            return await Entries.find_entry(self, identity)

        async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
            self._meet("render")
            return await Entries.render(self, name, identity)

        def _meet(self, met: str) -> None:
            if self.is_stopping and met == call:
                raise ConfigUnavailable("the server is stopping", "config unreadable, retrying", passes=True)

    stopping = Stopping([worker(1)])
    site = Deciders(entries=stopping)
    grant = await site.request(other_machine(1))
    outcome = await site.decide.approve(grant.grant_id, ANA, seen)
    assert refusal(outcome) is Refusal.UNAVAILABLE
    assert message(outcome)
    stopping.is_stopping = False
    assert isinstance(await site.decide.approve(grant.grant_id, ANA, seen), DeviceGrant)


class ByTemplate(Entries):
    """The serial SN0001 gets a control plane, by a template that uses the serial."""

    async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
        entry = await self.named_entry(name)
        kind = "controlplane" if identity.serial == "SN0001" else "worker"
        if entry is None:
            return None
        return Rendered(replace(entry, machine_type=kind, varies=False), kind.encode(), "bootgrant")


async def test_a_control_plane_by_template_needs_two_people_and_is_approved_as_it_is_rendered() -> None:
    templated = replace(worker(1), match={"serial": ("SN0001", "SN0002")}, machine_type="worker", varies=True)
    site = Deciders(entries=ByTemplate([templated]))
    precious, usual = await site.request(other_machine(1)), await site.request(other_machine(2))
    card = await site.cards.show(precious.grant_id)
    assert card is not None
    assert card.entry is not None
    assert (card.needed, card.entry.is_control_plane) == (2, True)
    for actor, state in ((ANA, GrantState.PENDING), (BEN, GrantState.APPROVED)):
        await site.decide.approve(precious.grant_id, actor)
        assert (await site.current(precious)).state is state
    approved, rendered = await site.current(precious), await site.entries.render("worker-1", precious.identity)
    assert rendered is not None
    assert approved.fingerprint == rendered.entry.fingerprint
    assert isinstance(await site.decide.approve(usual.grant_id, ANA), DeviceGrant)
    assert (await site.current(usual)).state is GrantState.APPROVED


async def test_an_assigned_control_plane_by_template_needs_two_people_too() -> None:
    templated = replace(worker(1), match={}, machine_type="worker", varies=True)
    site = Deciders(entries=ByTemplate([templated]))
    grant = await site.request(other_machine(1))
    await site.assign.assign(grant.grant_id, "worker-1", Actor("root", Role.ADMIN))
    card = await site.cards.show(grant.grant_id)
    assert card is not None
    assert card.assignment is not None
    assert card.needed == 2


async def test_an_entry_that_changes_between_the_card_and_the_rendering_is_not_approved() -> None:
    class Hasty(Entries):
        async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
            return Rendered(replace(worker(1), machine_type="controlplane"), b"x", "file")

    site = Deciders(entries=Hasty([worker(1)]))
    grant = await site.request(other_machine(1))
    outcome = await site.decide.approve(grant.grant_id, ANA)
    current = await site.current(grant)
    message = "the entry for this machine has just changed: look at it again"
    assert outcome == NotDecided(Refusal.ENTRY_CHANGED, message, current)
    assert current.state is GrantState.PENDING


async def test_an_entry_that_is_gone_at_the_rendering_is_not_approved() -> None:
    class Vanishing(Entries):
        async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
            return None

    site = Deciders(entries=Vanishing([worker(1)]))
    grant = await site.request(other_machine(1))
    outcome = await site.decide.approve(grant.grant_id, ANA)
    assert isinstance(outcome, NotDecided)
    assert (outcome.refusal, outcome.grant) == (Refusal.NO_ENTRY, await site.current(grant))


async def test_a_denial_and_a_revocation_are_recorded(site: Deciders) -> None:
    denied, approved = await site.request(other_machine(1)), await site.request(other_machine(2))
    await site.decide.deny(denied.grant_id, ANA, "not\n today")
    await site.decide.approve(approved.grant_id, socket_actor("root"))
    revoked = await site.decide.revoke(approved.grant_id, BEN)
    assert isinstance(revoked, DeviceGrant)
    assert (revoked.state, revoked.revoked_at) == (GrantState.REVOKED, NOW)
    recorded = [(event.kind, event.actor, event.via, event.reason, event.entry) for event in await site.events()]
    assert recorded == [
        (AuditKind.DENIED, "ana", "session", "not today", "worker-1"),
        (AuditKind.APPROVED, "root (admin.sock)", "admin.sock", "", "worker-2"),
        (AuditKind.REVOKED, "ben", "session", "", "worker-2"),
    ]


async def test_only_an_approval_can_be_revoked(site: Deciders) -> None:
    grant = await site.request(other_machine(1))
    outcome = await site.decide.revoke(grant.grant_id, ANA)
    assert message(outcome) == "there is no approval to revoke: the request is pending"
    assert message(await site.decide.revoke("no such id", ANA)) == "there is no approval to revoke"


async def test_an_approval_is_revoked_only_by_people_who_may_decide_about_the_machine(site: Deciders) -> None:
    grant = await site.request(other_machine(1))
    pending = await site.cards.show(grant.grant_id)
    await site.decide.approve(grant.grant_id, ANA)
    card = await site.cards.show(grant.grant_id)
    assert pending is not None
    assert card is not None
    assert not await site.decide.may_revoke(pending, ANA)
    for labels, allowed in (((Label("site", "ams"),), False), ((Label("site", "fra"),), True)):
        actor = Actor("cleo", Role.ADMIN, labels)
        assert await site.decide.may_revoke(card, actor) is allowed
        assert isinstance(await site.decide.revoke(grant.grant_id, actor), DeviceGrant) is allowed


async def test_the_card_shows_the_machines_history(site: Deciders) -> None:
    first = await site.request(other_machine(1))
    await site.decide.deny(first.grant_id, ANA, "not today")
    second = await site.request(other_machine(1), "10.66.0.6")
    card = await site.cards.show(second.grant_id)
    assert card is not None
    assert card.past is not None
    assert card.past.denials == ((NOW, "ana", "not today"),)
    assert card.has_conflict
    assert card.evidence[0].verdict is Verdict.MISMATCH
    assert "10.66.0.6" in card.evidence[0].detail


async def test_a_flood_of_requests_does_not_push_a_denial_off_the_card(site: Deciders) -> None:
    first = await site.request(other_machine(1))
    await site.decide.deny(first.grant_id, ANA, "not today")
    flood = [AuditEvent(NOW, AuditKind.OPENED, grant_id=str(n), identity=other_machine(1)) for n in range(300)]
    await site.database.audit.append(flood)
    card = await site.cards.show((await site.request(other_machine(1))).grant_id)
    assert card is not None
    assert card.past is not None
    assert card.past.denials == ((NOW, "ana", "not today"),)


async def test_a_typed_code_finds_its_request_in_any_state(site: Deciders) -> None:
    grant = await site.request(other_machine(1))
    await site.decide.deny(grant.grant_id, ANA, "")
    (shown,) = [card for card in [await site.cards.show(grant.grant_id)] if card]
    found = await site.cards.look_up(shown.user_code.lower().replace("-", " "))
    assert found is not None
    assert (found.grant.grant_id, found.state) == (grant.grant_id, GrantState.DENIED)
    assert await site.cards.look_up("nonsense") is None
    assert await site.cards.look_up("BBBB-BBBB") is None


async def test_a_batch_leaves_requests_that_changed_since_the_list_was_shown(site: Deciders) -> None:
    same, changed, rivalled = [await site.request(other_machine(number)) for number in (1, 2, 3)]
    site.entries.known.append(worker(3))
    chosen = [(grant.grant_id, worker(n).fingerprint) for n, grant in ((1, same), (2, changed), (3, rivalled))]
    site.entries.known[2] = MachineEntry("worker-2", "serial", {"role": "storage"}, match=worker(2).match)
    await site.request(other_machine(3), "10.20.0.99")
    outcomes = await site.decide.approve_many(chosen, ANA, as_batch=True)
    assert isinstance(outcomes[0], DeviceGrant)
    assert [refusal(outcome) for outcome in outcomes[1:]] == [Refusal.ENTRY_CHANGED, Refusal.NOT_IN_BATCH]
    assert isinstance(outcomes[2], NotDecided)
    assert outcomes[2].grant == await site.current(rivalled)
    assert (await site.current(rivalled)).state is GrantState.PENDING
    card = await site.cards.show(rivalled.grant_id)
    assert card is not None
    assert (card.rivals, card.has_conflict) == (("10.20.0.99",), True)
    assert isinstance(await site.decide.approve(rivalled.grant_id, ANA), DeviceGrant)


async def test_a_batch_leaves_a_request_that_needs_two_people_without_a_vote(site: Deciders) -> None:
    grant = await site.request(CONTROL_PLANE)
    (outcome,) = await site.decide.approve_many([(grant.grant_id, CP.fingerprint)], ANA, as_batch=True)
    assert refusal(outcome) is Refusal.NOT_IN_BATCH
    assert (await site.current(grant)).votes == ()


async def test_an_assigned_machine_is_not_expected_and_not_approved_in_a_batch(site: Deciders) -> None:
    grant = await site.request(other_machine(77))
    await site.assign.assign(grant.grant_id, "worker-1", ANA)
    card = await site.cards.show(grant.grant_id)
    assert card is not None
    assert (card.is_expected, card.may_be_approved_in_a_batch) == (False, False)


async def test_the_waiting_list_has_the_newest_request_first_and_no_decided_one(site: Deciders) -> None:
    first, second = await site.request(other_machine(1)), await site.request(other_machine(2))
    await site.decide.deny((await site.request(CONTROL_PLANE)).grant_id, ANA, "")
    cards = await site.cards.waiting()
    assert {card.grant.grant_id for card in cards} == {first.grant_id, second.grant_id}
    assert all(card.past is None and card.evidence for card in cards)
    assert len(await site.cards.waiting(1)) == 1


def test_a_reason_is_printable_and_on_one_line() -> None:
    assert one_line(" not\n\ttoday\x1b[2J ") == "not today [2J"
    assert len(one_line("x" * 999)) == REASON_LENGTH


async def test_a_denial_that_is_taken_back_is_recorded_and_the_machine_is_no_longer_refused(site: Deciders) -> None:
    grant = await site.request(other_machine(1))
    await site.decide.deny(grant.grant_id, ANA, "wrong rack")
    (card,) = await site.cards.refused(10)
    assert (card.grant.grant_id, card.refused_until) == (grant.grant_id, NOW + 600)
    site.clock.advance(60)
    outcome = await site.decide.undeny(grant.grant_id, BEN)
    assert isinstance(outcome, DeviceGrant)
    assert outcome.undenied is not None
    assert (outcome.undenied.by, outcome.undenied.at) == ("ben", NOW + 60)
    assert await site.cards.refused(10) == []
    event = (await site.events())[-1]
    assert (event.kind, event.actor, event.grant_id, event.reason) == (
        AuditKind.UNDENIED, "ben", grant.grant_id, "wrong rack",
    )  # fmt: skip
    again = await site.request(other_machine(1))
    checks = (await site.cards.full(again)).evidence
    assert not [check for check in checks if check.verdict is Verdict.MISMATCH]
    assert message(await site.decide.undeny(grant.grant_id, ANA)) == "already taken back by ben, 0 s ago"


async def test_taking_a_denial_back_ends_every_denial_of_the_machine(site: Deciders) -> None:
    here, there = await site.request(other_machine(1)), await site.request(other_machine(1), "10.66.0.6")
    other = await site.request(other_machine(2))
    for grant in (here, there, other):
        await site.decide.deny(grant.grant_id, ANA, "no")
    assert isinstance(await site.decide.undeny(here.grant_id, ANA), DeviceGrant)
    assert [card.grant.grant_id for card in await site.cards.refused(10)] == [other.grant_id]


async def test_a_denial_that_a_person_may_not_take_back_still_refuses_the_machine_and_is_named(site: Deciders) -> None:
    mine = await site.request(MachineIdentity(serial="SN0001"))
    others = await site.request(MachineIdentity(serial="SN0001", uuid=UUID))
    for grant in (mine, others):
        await site.decide.deny(grant.grant_id, ANA, "no")
    eva = Actor("eva", Role.APPROVER, (Label("site", "fra"),))
    outcome = await site.decide.undeny(mine.grant_id, eva)
    assert isinstance(outcome, DeviceGrant)
    assert outcome.grant_id == mine.grant_id
    card = await site.cards.show(mine.grant_id)
    assert card is not None
    assert card.also_denied is not None
    assert card.also_denied.grant_id == others.grant_id
    await site.decide.undeny(others.grant_id, ANA)
    card = await site.cards.show(mine.grant_id)
    assert card is not None
    assert card.also_denied is None


async def test_a_denial_is_taken_back_by_those_who_may_deny(site: Deciders) -> None:
    grant = await site.request(other_machine(1))
    await site.decide.deny(grant.grant_id, ANA, "no")
    berlin = Actor("eva", Role.APPROVER, (Label("site", "ber"),))
    for actor in (berlin, Actor("vic", Role.VIEWER), Actor("olaf", Role.AUDITOR)):
        assert refusal(await site.decide.undeny(grant.grant_id, actor)) is Refusal.NOT_ALLOWED
    assert isinstance(await site.decide.undeny(grant.grant_id, BEN), DeviceGrant)


async def test_only_a_machine_that_is_refused_can_be_undenied(site: Deciders) -> None:
    waiting, denied = await site.request(other_machine(1)), await site.request(other_machine(2))
    await site.decide.deny(denied.grant_id, ANA, "no")
    assert message(await site.decide.undeny(waiting.grant_id, ANA)) == (
        "there is no denial to take back: the request is pending"
    )
    site.clock.advance(600)
    assert "may ask again already" in message(await site.decide.undeny(denied.grant_id, ANA))
    assert await site.cards.refused(10) == []
    assert refusal(await site.decide.undeny("nothing", ANA)) is Refusal.UNKNOWN
