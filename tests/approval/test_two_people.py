"""Precious machines need two different people."""

from __future__ import annotations

import pytest

from bootgrant.approval.decision import Decision, Terms
from bootgrant.approval.grant import DeviceGrant, Refusal
from bootgrant.approval.operators import VIA_RULE, Actor, Author, Role, socket_actor, via_token
from bootgrant.approval.transitions import GrantState
from support.grants import NOW, decision_by, pending_grant

TWO = Terms(needed=2, fingerprint="cp-1", sha256="ab", revision="4f2c9ab")


def vote_of(name: str, via: str = "session") -> Decision:
    return decision_by(name, NOW + 1, via=via)


def approve(grant: DeviceGrant, decision: Decision, terms: Terms = TWO) -> DeviceGrant:
    outcome = grant.approve(decision, "cp-1", terms)
    assert isinstance(outcome, DeviceGrant)
    return outcome


def test_the_first_approval_is_a_vote_and_the_second_approves() -> None:
    voted = approve(pending_grant()[0], vote_of("ana"))
    assert (voted.state, voted.decision, voted.entry) == (GrantState.PENDING, None, "")
    done = approve(voted, vote_of("ben"))
    assert (done.state, done.entry) == (GrantState.APPROVED, "cp-1")
    assert [vote.by for vote in done.votes] == ["ana"]
    assert done.decision == vote_of("ben")
    assert (done.fingerprint, done.approved_sha256, done.revision) == ("cp-1", "ab", "4f2c9ab")


@pytest.mark.parametrize(
    "again",
    [
        vote_of("ana"),
        vote_of("ana", "passkey"),
        vote_of("ana", "token:ci"),
        vote_of("ANA"),
        vote_of(" ana "),
        vote_of("\uff21na"),
        vote_of("ana", "oidc:corp"),
        vote_of("ana", "admin.sock"),
    ],
)
def test_the_same_person_cannot_vote_twice(again: Decision) -> None:
    voted = approve(pending_grant()[0], vote_of("ana"))
    assert voted.approve(again, "cp-1", TWO) is Refusal.SAME_PERSON
    assert approve(pending_grant()[0], again).approve(vote_of("ana"), "cp-1", TWO) is Refusal.SAME_PERSON


def test_all_users_of_the_admin_socket_count_as_one_person() -> None:
    voted = approve(pending_grant()[0], vote_of("ana", "admin.sock"))
    assert voted.approve(vote_of("ben", "admin.sock"), "cp-1", TWO) is Refusal.SAME_PERSON
    assert approve(voted, vote_of("ben")).state is GrantState.APPROVED
    assert approve(approve(pending_grant()[0], vote_of("ana")), vote_of("ben", "admin.sock")).state is (
        GrantState.APPROVED
    )


def test_tokens_without_an_owner_count_as_one_person() -> None:
    voted = approve(pending_grant()[0], vote_of("", via_token("ci")))
    assert voted.approve(vote_of("", via_token("cd")), "cp-1", TWO) is Refusal.SAME_PERSON


def test_two_people_who_came_the_same_way_are_two() -> None:
    voted = approve(pending_grant()[0], vote_of("ana", "oidc:corp"))
    assert approve(voted, vote_of("ben", "oidc:corp")).state is GrantState.APPROVED


def test_a_vote_for_an_entry_that_changed_since_does_not_count() -> None:
    voted = approve(pending_grant()[0], vote_of("ana"))
    after = approve(voted, vote_of("ben"), TWO._replace(fingerprint="cp-1 with other labels"))
    assert after.state is GrantState.PENDING
    assert [vote.by for vote in after.votes] == ["ben"]


def test_an_approval_keeps_only_the_votes_for_the_entry_that_it_approves() -> None:
    changed = Terms(needed=1, fingerprint="cp-1 with other labels", sha256="cd", revision="5a3d0bc")
    done = approve(approve(pending_grant()[0], vote_of("ana")), vote_of("ben"), changed)
    assert (done.state, done.votes, done.fingerprint) == (GrantState.APPROVED, (), "cp-1 with other labels")


def test_votes_that_no_longer_count_are_removed() -> None:
    three = TWO._replace(needed=3)
    grant = approve(approve(pending_grant()[0], vote_of("ana"), three), vote_of("ben"), three)
    assert grant.with_votes_that(lambda vote: vote.by == "ben") == grant._replace(votes=(vote_of("ben"),))


def test_three_people_approve_where_three_are_needed() -> None:
    three = TWO._replace(needed=3)
    grant = approve(approve(pending_grant()[0], vote_of("ana"), three), vote_of("ben"), three)
    assert (grant.state, len(grant.votes)) == (GrantState.PENDING, 2)
    assert grant.approve(vote_of("ana"), "cp-1", three) is Refusal.SAME_PERSON
    assert approve(grant, vote_of("cleo"), three).state is GrantState.APPROVED


def test_no_rule_votes_where_people_are_needed() -> None:
    rule = Decision(Author("rule spare", VIA_RULE), NOW + 1)
    grant = pending_grant()[0]
    assert grant.approve(rule, "cp-1", TWO) is Refusal.NEEDS_PEOPLE
    assert approve(grant, vote_of("ana")).approve(rule, "cp-1", Terms(fingerprint="cp-1")) is Refusal.NEEDS_PEOPLE
    assert approve(grant, rule, Terms(fingerprint="cp-1")).state is GrantState.APPROVED


def test_one_person_is_enough_to_deny() -> None:
    denied = approve(pending_grant()[0], vote_of("ana")).deny(vote_of("ben"))
    assert isinstance(denied, DeviceGrant)
    assert (denied.state, denied.entry) == (GrantState.DENIED, "")


def test_the_owner_of_a_token_answers_for_its_program() -> None:
    assert Actor("ci", Role.APPROVER, via=via_token("ci"), owner="ana").author == Author("ana", "token:ci")
    assert Actor("ci", Role.APPROVER, via=via_token("ci")).author == Author("", "token:ci")
    assert socket_actor("root").author == Author("root", "admin.sock")


def test_a_rule_is_not_the_operator_of_its_name() -> None:
    assert Author("Ana", "passkey").is_operator("ana")
    assert not Author("ana", "passkey").is_operator("anna")
    assert not Author("ana", VIA_RULE).is_operator("ana")
    assert not Author("", via_token("ana")).is_operator("ana")


def test_a_withdrawn_vote_no_longer_counts_and_can_be_given_again() -> None:
    voted = approve(pending_grant()[0], vote_of("ana"))
    without = voted.withdraw(lambda vote: vote.by == "ana")
    assert isinstance(without, DeviceGrant)
    assert (without.state, without.votes) == (GrantState.PENDING, ())
    assert approve(without, vote_of("ben")).state is GrantState.PENDING
    assert voted.withdraw(lambda vote: vote.by == "ben") == voted
    done = approve(voted, vote_of("ben"))
    assert done.withdraw(lambda _: True) is Refusal.ALREADY_DECIDED
