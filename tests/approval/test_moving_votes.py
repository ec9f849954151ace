"""A vote moves to the machine's next request, while the machine stays the same. An approval that nobody fetched is void
or still to be fetched, never lost without a word."""

from __future__ import annotations

import pytest

from bootgrant.approval.decision import Terms, WhyVoid
from bootgrant.approval.grant import REDEEM_GRACE, VOTE_LIFETIME, DeviceGrant, NotDelivered, Refusal
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.transitions import GrantState
from bootgrant.wire.identity import MachineIdentity, swapped_uuid
from support.grants import MAC, NOW, UUID, decision_by, pending_grant

TWO = Terms(needed=2, fingerprint="cp-1")
RULES = GrantRules(token_lifetime=3600)


def must(outcome: DeviceGrant | Refusal) -> DeviceGrant:
    assert isinstance(outcome, DeviceGrant)
    return outcome


def voted() -> DeviceGrant:
    return must(pending_grant()[0].approve(decision_by("ana", NOW + 1), "cp-1", TWO))


def next_request(**changes: object) -> DeviceGrant:
    return pending_grant(opened_at=NOW + 100, expires_at=NOW + 700, **changes)[0]


def test_a_vote_moves_with_its_origin_and_the_second_person_completes_it() -> None:
    earlier = voted()
    moved = next_request().following(earlier, "cp-1")
    assert [(vote.by, vote.request) for vote in moved.votes] == [("ana", earlier.grant_id)]
    assert (moved.state, moved.fingerprint, moved.void_votes) == (GrantState.PENDING, "cp-1", ())
    assert must(moved.approve(decision_by("ben", NOW + 101), "cp-1", TWO)).state is GrantState.APPROVED


def test_the_first_person_is_not_the_second_one_of_the_next_request() -> None:
    moved = next_request().following(voted(), "cp-1")
    assert moved.approve(decision_by("ana", NOW + 101, via="passkey"), "cp-1", TWO) is Refusal.SAME_PERSON


def test_a_vote_keeps_its_first_origin_over_several_requests() -> None:
    earlier = voted()
    moved = next_request().following(next_request().following(earlier, "cp-1"), "cp-1")
    assert [vote.request for vote in moved.votes] == [earlier.grant_id]


@pytest.mark.parametrize(
    ("changes", "fingerprint", "why"),
    [
        ({"client_id": "other"}, "cp-1", WhyVoid.CLIENT),
        ({"identity": MachineIdentity(uuid=UUID, mac=MAC, hostname="evil")}, "cp-1", WhyVoid.IDENTITY),
        ({"identity": MachineIdentity(uuid=swapped_uuid(UUID), mac=MAC)}, "cp-1", WhyVoid.IDENTITY),
        ({"identity": MachineIdentity(uuid=UUID)}, "cp-1", WhyVoid.IDENTITY),
        ({"source_address": "10.66.6.6"}, "cp-1", WhyVoid.ADDRESS),
        ({}, "cp-1 with other labels", WhyVoid.ENTRY),
        ({"opened_at": NOW + 1 + VOTE_LIFETIME}, "cp-1", WhyVoid.AGE),
    ],
)
def test_a_vote_for_another_machine_or_entry_or_of_yesterday_is_void(
    changes: dict[str, object], fingerprint: str, why: WhyVoid
) -> None:
    request, _ = pending_grant(**{"opened_at": NOW + 100, **changes})
    void = request.following(voted(), fingerprint)
    assert void.votes == ()
    assert [(vote.by, reason) for vote, reason in void.void_votes] == [("ana", why)]
    after = must(void.approve(decision_by("ben", NOW + 101), "cp-1", TWO))
    assert (after.state, [vote.by for vote in after.votes]) == (GrantState.PENDING, ["ben"])


def test_a_vote_that_moved_while_the_entry_could_not_be_read_counts_only_for_the_entry_it_was_for() -> None:
    moved = next_request().following(voted(), "")
    assert [vote.by for vote in moved.votes] == ["ana"]
    changed = must(moved.approve(decision_by("ben", NOW + 101), "cp-1", TWO._replace(fingerprint="changed")))
    assert (changed.state, [vote.by for vote in changed.votes]) == (GrantState.PENDING, ["ben"])


def test_every_end_of_an_approval_has_its_own_name() -> None:
    grant, _ = pending_grant()
    approved = must(grant.approve(decision_by("ana", NOW), "cp-1"))
    redeemed = must(approved.redeem("talos", b"t", RULES, NOW))
    assert grant.not_delivered(NOW) is None
    assert approved.not_delivered(NOW) is NotDelivered.CODE_WAITING
    assert approved.not_delivered(NOW + 600 + REDEEM_GRACE) is NotDelivered.CODE_EXPIRED
    assert redeemed.not_delivered(NOW + 3599) is NotDelivered.TOKEN_WAITING
    assert redeemed.not_delivered(NOW + 3600) is NotDelivered.TOKEN_EXPIRED
    assert must(redeemed.deliver(RULES, NOW)).not_delivered(NOW) is None
    assert must(approved.revoke(NOW)).not_delivered(NOW) is None
    assert must(grant.deny(decision_by("ana", NOW))).not_delivered(NOW) is None


@pytest.mark.parametrize("redeemed", [False, True])
def test_a_void_approval_yields_neither_a_token_nor_a_configuration(redeemed: bool) -> None:
    approved = must(pending_grant()[0].approve(decision_by("ana", NOW), "cp-1"))
    before = must(approved.redeem("talos", b"t", RULES, NOW)) if redeemed else approved
    void = must(before.void("the operator ana was disabled", NOW + 5))
    assert (void.state, void.revoked_at, void.void_reason) == (
        GrantState.VOID,
        NOW + 5,
        "the operator ana was disabled",
    )
    assert void.redeem("talos", b"t", RULES, NOW + 6) is Refusal.EXPIRED
    assert void.deliver(RULES, NOW + 6) is Refusal.UNKNOWN
    assert void.not_delivered(NOW + 6) is NotDelivered.VOID


def test_a_delivery_cannot_become_void() -> None:
    approved = must(pending_grant()[0].approve(decision_by("ana", NOW), "cp-1"))
    delivered = must(must(approved.redeem("talos", b"t", RULES, NOW)).deliver(RULES, NOW))
    assert delivered.void("the operator ana was disabled", NOW) is Refusal.ALREADY_DECIDED


def test_a_code_for_two_people_never_lives_shorter_than_others() -> None:
    assert [GrantRules().lifetime_for(people) for people in (1, 2, 3)] == [600, 1800, 1800]
    assert GrantRules(lifetime=3600).lifetime_for(2) == 3600
