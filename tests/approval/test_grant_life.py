"""The life of a grant: what each step allows, and that no sequence of steps yields what it must not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.approval.codes import access_token, access_token_digest
from bootgrant.approval.grant import REDEEM_GRACE, CodeOver, DeviceGrant, Refusal
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.transitions import TRANSITIONS, GrantEvent, GrantState
from bootgrant.wire.secret import Secret
from support.grants import NOW, decision_by, pending_grant

RULES = GrantRules()


def approve(grant: DeviceGrant, at: float = NOW) -> DeviceGrant | Refusal:
    return grant.approve(decision_by("ana", at), "cp-1.yaml")


def redeem(grant: DeviceGrant, code: Secret, at: float = NOW) -> DeviceGrant | Refusal:
    return grant.redeem("talos", access_token_digest(access_token(code, grant.token_salt)), RULES, at)


def must(outcome: DeviceGrant | Refusal) -> DeviceGrant:
    assert isinstance(outcome, DeviceGrant), outcome
    return outcome


def redeemed_grant() -> tuple[DeviceGrant, Secret]:
    grant, code = pending_grant()
    return must(redeem(must(approve(grant)), code)), code


def test_an_approved_grant_yields_its_token_and_yields_the_same_one_again() -> None:
    grant, code = pending_grant()
    first = must(redeem(must(approve(grant)), code))
    again = must(redeem(first, code, NOW + 30))
    assert again == first
    assert (first.state, first.token_expires_at) == (GrantState.REDEEMED, NOW + RULES.token_lifetime)
    assert first.token_digest == access_token_digest(access_token(code, grant.token_salt))


@pytest.mark.parametrize(
    ("state", "refusal"),
    [
        (GrantState.PENDING, Refusal.PENDING),
        (GrantState.DENIED, Refusal.DENIED),
        (GrantState.REVOKED, Refusal.DENIED),
        (GrantState.REPLACED, Refusal.EXPIRED),
        (GrantState.EXPIRED, Refusal.EXPIRED),
    ],
)
def test_a_grant_in_any_other_state_yields_no_token(state: GrantState, refusal: Refusal) -> None:
    grant, code = pending_grant(state=state)
    assert redeem(grant, code) is refusal


def test_every_state_has_a_token_or_a_reason_for_none() -> None:
    grant, code = pending_grant()
    for state in GrantState:
        redeem(grant._replace(state=state), code)


def test_a_denial_is_answered_however_often_the_machine_asks() -> None:
    grant, code = pending_grant()
    denied = must(grant.deny(decision_by("ana", NOW, "not ours")))
    assert [redeem(denied, code, NOW + t) for t in (0, 1, 10_000)] == [Refusal.DENIED] * 3


def test_the_first_decision_holds() -> None:
    grant, _ = pending_grant()
    approved = must(approve(grant))
    assert approved.deny(decision_by("ben", NOW)) is Refusal.ALREADY_DECIDED
    assert approve(must(grant.deny(decision_by("ben", NOW)))) is Refusal.ALREADY_DECIDED
    assert approved.decision == decision_by("ana", NOW)


def test_nobody_decides_after_the_code_has_expired() -> None:
    grant, code = pending_grant()
    assert approve(grant, grant.expires_at) is Refusal.EXPIRED
    assert grant.deny(decision_by("ana", grant.expires_at)) is Refusal.EXPIRED
    assert redeem(grant, code, grant.expires_at) is Refusal.EXPIRED
    assert must(approve(grant, grant.expires_at - 0.001)).state is GrantState.APPROVED


def test_a_pending_grant_expires_at_its_end_and_an_approved_one_after_the_grace() -> None:
    grant, _ = pending_grant()
    approved = must(approve(grant))
    end = grant.expires_at
    assert [grant.state_at(at) for at in (end - 1, end)] == [GrantState.PENDING, GrantState.EXPIRED]
    states = [approved.state_at(at) for at in (end, end + REDEEM_GRACE - 1, end + REDEEM_GRACE)]
    assert states == [GrantState.APPROVED, GrantState.APPROVED, GrantState.EXPIRED]
    assert redeemed_grant()[0].state_at(end + 10_000) is GrantState.REDEEMED


def test_an_approval_in_the_last_second_still_reaches_the_machine() -> None:
    grant, code = pending_grant()
    approved = must(approve(grant, grant.expires_at - 0.1))
    assert must(redeem(approved, code, grant.expires_at + REDEEM_GRACE - 1)).state is GrantState.REDEEMED
    assert redeem(approved, code, grant.expires_at + REDEEM_GRACE) is Refusal.EXPIRED


def test_an_approval_names_the_configuration_it_is_for() -> None:
    grant, _ = pending_grant()
    assert grant.approve(decision_by("ana", NOW), "") is Refusal.NO_ENTRY
    assert must(approve(grant)).entry == "cp-1.yaml"


def test_a_device_code_works_only_for_its_own_client() -> None:
    grant, code = pending_grant()
    digest = access_token_digest(access_token(code, grant.token_salt))
    assert must(approve(grant)).redeem("other", digest, RULES, NOW) is Refusal.WRONG_CLIENT


def test_a_token_is_exchanged_again_until_it_expires() -> None:
    grant, code = redeemed_grant()
    assert redeem(grant, code, grant.token_expires_at - 0.001) == grant
    assert redeem(grant, code, grant.token_expires_at) is Refusal.EXPIRED


def test_a_delivery_repeats_until_a_grace_after_the_first_one() -> None:
    grant, code = redeemed_grant()
    twice = must(must(grant.deliver(RULES, NOW + 1)).deliver(RULES, NOW + 2))
    assert (twice.state, twice.delivered_at, twice.deliveries) == (GrantState.DELIVERED, NOW + 1, 2)
    end = NOW + 1 + RULES.delivery_grace
    assert twice.token_ends_at(RULES) == end
    assert must(twice.deliver(RULES, end - 0.001)).deliveries == 3
    assert twice.deliver(RULES, end) is Refusal.EXPIRED
    assert redeem(twice, code, end) is Refusal.EXPIRED
    assert redeem(twice, code, end - 0.001) == twice


def test_a_late_first_delivery_does_not_prolong_the_token() -> None:
    grant, _ = redeemed_grant()
    late = must(grant.deliver(RULES, grant.token_expires_at - 1))
    assert late.token_ends_at(RULES) == grant.token_expires_at
    assert grant.deliver(RULES, grant.token_expires_at) is Refusal.EXPIRED


@pytest.mark.parametrize("state", sorted(set(GrantState) - {GrantState.REDEEMED, GrantState.DELIVERED}))
def test_nothing_is_delivered_without_a_token(state: GrantState) -> None:
    grant = redeemed_grant()[0]._replace(state=state)
    assert grant.deliver(RULES, NOW) is Refusal.UNKNOWN


def test_only_a_pending_grant_is_replaced() -> None:
    grant, _ = pending_grant()
    replaced = must(grant.replaced("next"))
    assert (replaced.state, replaced.replaced_by) == (GrantState.REPLACED, "next")
    assert must(approve(grant)).replaced("next") is Refusal.ALREADY_DECIDED


def test_a_revocation_ends_an_approval_once() -> None:
    grant, code = redeemed_grant()
    revoked = must(grant.revoke(NOW + 5))
    assert (revoked.state, revoked.revoked_at) == (GrantState.REVOKED, NOW + 5)
    assert must(revoked.revoke(NOW + 9)) == revoked
    assert redeem(revoked, code) is Refusal.DENIED
    assert pending_grant()[0].revoke(NOW) is Refusal.UNKNOWN


def test_a_denial_is_taken_back_once_and_only_while_the_machine_is_refused() -> None:
    denied = must(pending_grant()[0].deny(decision_by("ana", NOW, "wrong rack")))
    assert denied.refused_until(RULES) == NOW + RULES.denial_cooldown
    assert denied.refused_for(RULES, NOW + 60) == RULES.denial_cooldown - 60
    undenied = must(denied.undeny(decision_by("ben", NOW + 60), RULES))
    assert (undenied.state, undenied.refused_until(RULES)) == (GrantState.DENIED, None)
    assert undenied.undeny(decision_by("ana", NOW + 61), RULES) is Refusal.NOT_REFUSED
    assert denied.undeny(decision_by("ben", NOW + RULES.denial_cooldown), RULES) is Refusal.NOT_REFUSED
    assert pending_grant()[0].undeny(decision_by("ben", NOW), RULES) is Refusal.NOT_REFUSED


def test_a_denial_by_a_clock_that_was_wrong_does_not_hold_for_a_year() -> None:
    denied = must(pending_grant(expires_at=NOW + 4e7)[0].deny(decision_by("ana", NOW + 3e7)))
    assert denied.refused_for(RULES, NOW) == 0.0


@pytest.mark.parametrize(
    ("state", "seconds", "elsewhere", "by_machine", "by_person"),
    [
        (GrantState.PENDING, 0, False, None, None),
        (GrantState.DENIED, 90, False, None, None),
        (GrantState.EXPIRED, 90, False, None, None),
        (GrantState.REPLACED, 0, False, CodeOver.REPLACED, CodeOver.REPLACED),
        (GrantState.REDEEMED, 30, False, None, None),
        (GrantState.REDEEMED, 30, True, CodeOver.USED, None),
        (GrantState.REDEEMED, 61, False, CodeOver.USED, CodeOver.USED),
        (GrantState.DELIVERED, 0, False, CodeOver.USED, None),
        (GrantState.DELIVERED, 61, False, CodeOver.USED, CodeOver.USED),
        (GrantState.REVOKED, 61, False, CodeOver.USED, CodeOver.USED),
    ],
)
def test_a_code_that_comes_again_after_it_was_used_or_replaced_is_strange(
    state: GrantState, seconds: float, elsewhere: bool, by_machine: CodeOver | None, by_person: CodeOver | None
) -> None:
    grant = redeemed_grant()[0]._replace(state=state)
    assert grant.decision is not None
    redeemed_at = grant.token_expires_at - RULES.token_lifetime
    assert grant.device_code_over(RULES, redeemed_at + seconds, is_elsewhere=elsewhere) is by_machine
    assert grant.user_code_over(grant.decision.at + seconds) is by_person


FINAL = {GrantState.DENIED, GrantState.EXPIRED, GrantState.REPLACED, GrantState.REVOKED, GrantState.VOID}


@pytest.mark.parametrize("state", GrantState)
def test_nothing_leaves_a_final_state(state: GrantState) -> None:
    leaves = any(TRANSITIONS.get((state, event), state) is not state for event in GrantEvent)
    assert leaves is (state not in FINAL)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["approve", "deny", "redeem", "deliver", "revoke", "void", "replace"]), st.floats(0, 20_000)
    )
)


@given(STEPS)
def test_no_sequence_yields_a_token_without_approval_or_two_tokens(steps: list[tuple[str, float]]) -> None:
    grant, code = pending_grant()
    tokens: set[bytes] = set()
    for step, after in steps:
        at = NOW + after
        match step:
            case "approve":
                outcome = approve(grant, at)
            case "deny":
                outcome = grant.deny(decision_by("ana", at))
            case "redeem":
                outcome = redeem(grant, code, at)
            case "deliver":
                outcome = grant.deliver(RULES, at)
            case "revoke":
                outcome = grant.revoke(at)
            case "void":
                outcome = grant.void("the operator ana was disabled", at)
            case _:
                outcome = grant.replaced("next")
        if isinstance(outcome, DeviceGrant):
            assert grant.state not in FINAL or outcome == grant
            grant = outcome
            tokens |= {grant.token_digest} - {b""}
            assert not grant.token_digest or (grant.decision is not None and grant.entry)
    assert len(tokens) <= 1
