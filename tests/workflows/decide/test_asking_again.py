"""A machine asks again: what its card says about the votes and the approval of its earlier request."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.decision import WhyVoid
from bootgrant.approval.grant import DeviceGrant, NotDelivered
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.transitions import GrantState
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.decide_grant import NotDecided
from bootgrant.workflows.decide.grant_cards import GrantCard
from bootgrant.workflows.limits.admission import Admission
from bootgrant.workflows.machine.requests import OpenedGrant, OpenGrant
from bootgrant.workflows.machine.two_people import TwoPeople
from support.deciding import ANA, BEN, CP, Deciders, worker
from support.fakes import CountedEntropy
from support.grants import CODES, UUID, other_machine

pytestmark = pytest.mark.anyio
CONTROL_PLANE = MachineIdentity(uuid=UUID)
RULES = GrantRules(token_lifetime=3600)
HERE = "10.20.0.11"


class Site(Deciders):
    """The workflows of decisions, and the one of requests."""

    async def ask(self, identity: MachineIdentity, address: str = HERE, client: str = "talos") -> DeviceGrant:
        base, admission = self.database, Admission(99, 999)
        find = TwoPeople(self.entries, base.assignments, self.clock)
        opening = OpenGrant(base.grants, self.clock, _ENTROPY, CODES, RULES, admission, find, lambda _grant: None)
        opened = await opening(client, identity, address)
        assert isinstance(opened, OpenedGrant)
        found = await base.grants.find_grant(opened.grant_id)
        assert found is not None
        return found

    async def card(self, grant: DeviceGrant) -> GrantCard:
        card = await self.cards.show(grant.grant_id)
        assert card is not None
        return card


_ENTROPY = CountedEntropy()


@pytest.fixture
def site() -> Site:
    made = Site()
    made.entries.known += [CP, worker(1)]
    return made


async def test_a_first_vote_moves_and_another_person_completes_it(site: Site) -> None:
    first = await site.ask(CONTROL_PLANE)
    await site.decide.approve(first.grant_id, ANA)
    site.clock.advance(60)
    second = await site.ask(CONTROL_PLANE)
    card = await site.card(second)
    assert [(vote.by, vote.request) for vote in card.votes] == [("ana", first.grant_id)]
    assert (card.void_votes, (await site.card(first)).successor) == ((), second.grant_id)
    assert isinstance(await site.decide.approve(second.grant_id, ANA), NotDecided)
    done = await site.decide.approve(second.grant_id, BEN)
    assert isinstance(done, DeviceGrant)
    assert done.state is GrantState.APPROVED
    kinds = [event.kind for event in await site.events()]
    assert kinds == [AuditKind.VOTED, AuditKind.VOTE_MOVED, AuditKind.APPROVED]


async def test_an_entry_that_changes_before_or_after_the_machine_asks_again_makes_the_vote_void(site: Site) -> None:
    first = await site.ask(CONTROL_PLANE)
    await site.decide.approve(first.grant_id, ANA)
    moved = await site.ask(CONTROL_PLANE)
    site.entries.known[0] = replace(CP, labels={"role": "other"})
    card = await site.card(moved)
    assert (card.votes, [why for _, why in card.void_votes]) == ((), [WhyVoid.ENTRY])
    outcome = await site.decide.approve(moved.grant_id, BEN)
    assert isinstance(outcome, DeviceGrant)
    assert (outcome.state, [vote.by for vote in outcome.votes]) == (GrantState.PENDING, ["ben"])
    site.entries.known[0] = CP
    void = await site.card(await site.ask(CONTROL_PLANE))
    assert (void.votes, [(vote.by, why) for vote, why in void.void_votes]) == ((), [("ben", WhyVoid.ENTRY)])
    [event] = [event for event in await site.events() if event.kind is AuditKind.VOIDED]
    assert (event.actor, event.reason) == ("ben", "the entry of this machine has changed")


@pytest.mark.parametrize(
    ("identity", "address", "client", "why"),
    [
        (CONTROL_PLANE, "10.66.6.6", "talos", WhyVoid.ADDRESS),
        (MachineIdentity(uuid=UUID, serial="X"), HERE, "talos", WhyVoid.IDENTITY),
        (MachineIdentity(uuid=UUID, hostname="evil"), HERE, "talos", WhyVoid.IDENTITY),
        (CONTROL_PLANE, HERE, "other", WhyVoid.CLIENT),
    ],
)
async def test_a_vote_for_a_similar_machine_does_not_count_and_its_card_says_why(
    site: Site, identity: MachineIdentity, address: str, client: str, why: WhyVoid
) -> None:
    first = await site.ask(CONTROL_PLANE)
    await site.decide.approve(first.grant_id, ANA)
    similar = await site.ask(identity, address, client)
    card = await site.card(similar)
    assert (card.votes, [(vote.by, vote.request, reason) for vote, reason in card.void_votes]) == (
        (),
        [("ana", first.grant_id, why)],
    )
    outcome = await site.decide.approve(similar.grant_id, BEN)
    assert isinstance(outcome, DeviceGrant)
    assert outcome.state is GrantState.PENDING


async def test_an_old_code_leads_to_the_newest_request(site: Site) -> None:
    grants = [await site.ask(other_machine(1)) for _ in range(4)]
    outcome = await site.decide.approve(grants[0].grant_id, ANA)
    assert isinstance(outcome, NotDecided)
    assert outcome.message == (
        f"the machine has asked again and shows a new code: decide about that one (request {grants[3].grant_id})"
    )
    assert (await site.card(grants[0])).successor == grants[3].grant_id


SAID = {
    NotDelivered.CODE_WAITING: "Approved by ana 17 s ago, but never delivered: the machine lost its code. "
    "Approve again.",
    NotDelivered.CODE_EXPIRED: "Approved by ana 15 min ago, but never delivered: the machine did not come back before "
    "its code expired. Approve again.",
    NotDelivered.TOKEN_WAITING: "Approved by ana 17 s ago, but never delivered: the machine lost its token before the "
    "download was complete. Approve again.",
    NotDelivered.TOKEN_EXPIRED: "Approved by ana 2 h ago, but never delivered: the machine did not complete the "
    "download before its token expired. Approve again.",
}


async def approved(site: Site, *, redeemed: bool) -> DeviceGrant:
    grant = await site.ask(other_machine(1))
    await site.decide.approve(grant.grant_id, ANA)
    if redeemed:
        await site.database.grants.change_grant(
            grant.grant_id, lambda g: g.redeem("talos", b"t", RULES, site.clock.now())
        )
    return await site.current(grant)


@pytest.mark.parametrize(
    ("what", "seconds"),
    [
        (NotDelivered.CODE_WAITING, 17),
        (NotDelivered.CODE_EXPIRED, 15 * 60),
        (NotDelivered.TOKEN_WAITING, 17),
        (NotDelivered.TOKEN_EXPIRED, 2 * 3600),
    ],
)
async def test_a_machine_that_was_approved_but_got_nothing_says_so(
    site: Site, what: NotDelivered, seconds: float
) -> None:
    before = await approved(site, redeemed=what in (NotDelivered.TOKEN_WAITING, NotDelivered.TOKEN_EXPIRED))
    site.clock.advance(seconds)
    await site.ask(other_machine(1))
    [card] = [card for card in await site.cards.waiting() if card.grant.identity == other_machine(1)]
    assert card.undelivered is not None
    assert (card.undelivered.grant, card.undelivered.what, card.undelivered.message) == (before, what, SAID[what])


async def test_everybody_who_approved_is_named(site: Site) -> None:
    grant = await site.ask(CONTROL_PLANE)
    for actor in (ANA, BEN):
        await site.decide.approve(grant.grant_id, actor)
    card = await site.card(await site.ask(CONTROL_PLANE))
    assert card.undelivered is not None
    assert card.undelivered.message.startswith("Approved by ana and ben 0 s ago, but never delivered")
    assert card.votes == ()


async def test_the_same_identity_at_another_address_is_not_said_to_be_the_machine(site: Site) -> None:
    await approved(site, redeemed=False)
    site.clock.advance(17)
    card = await site.card(await site.ask(other_machine(1), "10.66.6.6"))
    assert card.undelivered is not None
    assert card.undelivered.message == (
        f"ana approved another request with this identity, from {HERE}, 17 s ago. It was never delivered. "
        "It may be another machine: compare the two."
    )


async def test_nothing_is_said_about_a_machine_that_only_shares_a_variable(site: Site) -> None:
    await approved(site, redeemed=False)
    shares = replace(other_machine(1), uuid=UUID)
    assert (await site.card(await site.ask(shares))).undelivered is None


@pytest.mark.parametrize("after", ["delivered", "denied", "revoked"])
async def test_nothing_is_said_when_the_last_decision_about_the_machine_was_another_one(site: Site, after: str) -> None:
    await approved(site, redeemed=True)
    site.clock.advance(10)
    second = await site.ask(other_machine(1))
    store = site.database.grants
    if after == "denied":
        await site.decide.deny(second.grant_id, BEN, "not today")
    else:
        await site.decide.approve(second.grant_id, BEN)
        await store.change_grant(second.grant_id, lambda g: g.redeem("talos", b"u", RULES, site.clock.now()))
        end = partial(DeviceGrant.deliver, rules=RULES) if after == "delivered" else DeviceGrant.revoke
        await store.change_grant(second.grant_id, lambda g: end(g, now=site.clock.now()))
    third = await site.request(other_machine(1))
    assert (await site.card(third)).undelivered is None
