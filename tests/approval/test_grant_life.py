"""The life of a grant: what each step allows, and that no sequence of steps gives what it must not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.approval.codes import access_token, access_token_digest
from bootgrant.approval.grant import (
    REDEEM_GRACE,
    TRANSITIONS,
    DeviceGrant,
    GrantEvent,
    GrantRules,
    GrantState,
    Refusal,
)
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


def test_a_pending_grant_gives_no_token() -> None:
    grant, code = pending_grant()
    assert redeem(grant, code) is Refusal.PENDING


def test_an_approved_grant_gives_its_token_and_gives_the_same_one_again() -> None:
    grant, code = pending_grant()
    first = must(redeem(must(approve(grant)), code))
    again = must(redeem(first, code, NOW + 30))
    assert again == first
    assert first.token_expires_at == NOW + RULES.token_lifetime


def test_a_denial_is_told_every_time_it_is_asked_for() -> None:
    grant, code = pending_grant()
    denied = must(grant.deny(decision_by("ana", NOW, "not ours")))
    assert [redeem(denied, code, NOW + t) for t in (0, 1, 10_000)] == [Refusal.DENIED] * 3


def test_the_first_decision_stands() -> None:
    grant, _ = pending_grant()
    approved = must(approve(grant))
    assert approved.deny(decision_by("ben", NOW)) is Refusal.ALREADY_DECIDED
    assert approve(must(grant.deny(decision_by("ben", NOW)))) is Refusal.ALREADY_DECIDED


def test_nobody_decides_after_the_code_has_expired() -> None:
    grant, code = pending_grant()
    assert approve(grant, grant.expires_at) is Refusal.EXPIRED
    assert redeem(grant, code, grant.expires_at) is Refusal.EXPIRED


def test_an_approval_in_the_last_second_still_reaches_the_machine() -> None:
    grant, code = pending_grant()
    approved = must(approve(grant, grant.expires_at - 0.1))
    assert must(redeem(approved, code, grant.expires_at + REDEEM_GRACE - 1)).state is GrantState.REDEEMED
    assert redeem(approved, code, grant.expires_at + REDEEM_GRACE) is Refusal.EXPIRED


def test_an_approval_names_the_configuration_it_is_for() -> None:
    grant, _ = pending_grant()
    assert grant.approve(decision_by("ana", NOW), "") is Refusal.NO_ENTRY


def test_a_device_code_is_good_for_its_own_client_only() -> None:
    grant, code = pending_grant()
    digest = access_token_digest(access_token(code, grant.token_salt))
    assert must(approve(grant)).redeem("other", digest, RULES, NOW) is Refusal.WRONG_CLIENT


def test_a_delivery_repeats_until_the_token_ends() -> None:
    grant, code = pending_grant()
    redeemed = must(redeem(must(approve(grant)), code))
    twice = must(must(redeemed.deliver(RULES, NOW + 1)).deliver(RULES, NOW + 2))
    assert (twice.delivered_at, twice.deliveries) == (NOW + 1, 2)
    assert twice.deliver(RULES, twice.token_expires_at) is Refusal.EXPIRED


@pytest.mark.parametrize("state", [GrantState.DENIED, GrantState.EXPIRED])
def test_nothing_leaves_a_final_state(state: GrantState) -> None:
    assert not [event for event in GrantEvent if (state, event) in TRANSITIONS]


STEPS = st.lists(st.tuples(st.sampled_from(["approve", "deny", "redeem", "deliver"]), st.floats(0, 20_000)))


@given(STEPS)
def test_no_sequence_gives_a_token_without_approval_or_two_tokens(steps: list[tuple[str, float]]) -> None:
    grant, code = pending_grant()
    tokens: set[bytes] = set()
    denied = False
    for step, after in steps:
        at = NOW + after
        match step:
            case "approve":
                outcome = approve(grant, at)
            case "deny":
                outcome = grant.deny(decision_by("ana", at))
            case "redeem":
                outcome = redeem(grant, code, at)
            case _:
                outcome = grant.deliver(RULES, at)
        if isinstance(outcome, DeviceGrant):
            assert not (denied and outcome.token_digest)
            grant = outcome
            denied = denied or grant.state is GrantState.DENIED
            tokens |= {grant.token_digest} - {b""}
            assert not grant.token_digest or grant.decision is not None
    assert len(tokens) <= 1
