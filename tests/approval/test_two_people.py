"""What is precious needs two different people."""

from __future__ import annotations

import pytest

from bootgrant.approval.grant import VIA_RULE, Decision, DeviceGrant, GrantState, Refusal, Terms
from bootgrant.approval.operators import Actor, Role, socket_actor, via_token
from support.grants import NOW, pending_grant

TWO = Terms(needed=2, fingerprint="cp-1", sha256="ab", revision="4f2c9ab")


def said(name: str, via: str = "session") -> Decision:
    return Decision(name, NOW + 1, name=name, via=via)


def approve(grant: DeviceGrant, decision: Decision, terms: Terms = TWO) -> DeviceGrant:
    outcome = grant.approve(decision, "cp-1", terms)
    assert isinstance(outcome, DeviceGrant)
    return outcome


def test_the_first_approval_is_a_vote_and_the_second_lets_in() -> None:
    voted = approve(pending_grant()[0], said("ana"))
    assert (voted.state, voted.decision, voted.entry) == (GrantState.PENDING, None, "")
    done = approve(voted, said("ben"))
    assert (done.state, done.entry) == (GrantState.APPROVED, "cp-1")
    assert [vote.by for vote in done.votes] == ["ana"]
    assert done.decision == said("ben")
    assert (done.fingerprint, done.approved_sha256, done.revision) == ("cp-1", "ab", "4f2c9ab")


@pytest.mark.parametrize(
    "again",
    [
        said("ana"),
        said("ana", "passkey"),
        said("ana", "token:ci"),
        said("ANA"),
        said(" ana "),
        said("ana", "oidc:corp"),
    ],
)
def test_the_same_person_twice_does_not_count(again: Decision) -> None:
    voted = approve(pending_grant()[0], said("ana"))
    assert voted.approve(again, "cp-1", TWO) is Refusal.SAME_PERSON


def test_all_who_use_the_admin_socket_count_as_one() -> None:
    voted = approve(pending_grant()[0], said("ana", "admin.sock"))
    assert voted.approve(said("ben", "admin.sock"), "cp-1", TWO) is Refusal.SAME_PERSON
    assert approve(voted, said("ben")).state is GrantState.APPROVED


def test_a_vote_for_what_has_changed_since_does_not_count() -> None:
    voted = approve(pending_grant()[0], said("ana"))
    after = approve(voted, said("ben"), TWO._replace(fingerprint="cp-1 with other labels"))
    assert after.state is GrantState.PENDING
    assert [vote.by for vote in after.votes] == ["ben"]


def test_three_people_where_three_are_needed() -> None:
    three = TWO._replace(needed=3)
    grant = approve(approve(pending_grant()[0], said("ana"), three), said("ben"), three)
    assert (grant.state, len(grant.votes)) == (GrantState.PENDING, 2)
    assert approve(grant, said("cleo"), three).state is GrantState.APPROVED


def test_no_rule_votes_for_what_needs_people() -> None:
    rule = Decision("rule spare", NOW + 1, via=VIA_RULE)
    grant = pending_grant()[0]
    assert grant.approve(rule, "cp-1", TWO) is Refusal.NEEDS_PEOPLE
    assert approve(grant, said("ana")).approve(rule, "cp-1", Terms(fingerprint="cp-1")) is Refusal.NEEDS_PEOPLE


def test_one_person_is_enough_to_deny() -> None:
    denied = approve(pending_grant()[0], said("ana")).deny(said("ben"))
    assert isinstance(denied, DeviceGrant)
    assert denied.state is GrantState.DENIED


def test_a_program_is_the_person_who_made_its_token() -> None:
    assert Actor("ci", Role.APPROVER, via=via_token("ci"), owner="ana").person == "ana"
    assert Actor("ci", Role.APPROVER, via=via_token("ci")).person == ""
    assert socket_actor("root").person == "root"
