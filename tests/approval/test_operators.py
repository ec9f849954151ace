"""Roles are sets of rights, labels are limits, and an author is shown with the way they signed in."""

from __future__ import annotations

import pytest

from bootgrant.approval.operators import (
    NAME,
    VIA_RULE,
    Actor,
    Author,
    BadLabel,
    Label,
    Right,
    Role,
    common_role,
    is_within,
    narrowed,
    parse_label,
    parse_labels,
    roles_with,
    socket_actor,
    via_oidc,
    via_token,
)

FRA, AMS, RACK = Label("site", "fra"), Label("site", "ams"), Label("rack", "4")


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        (Role.VIEWER, {Right.READ, Right.READ_CONFIGURATIONS}),
        (Role.AUDITOR, {Right.READ, Right.READ_ACCOUNTS}),
        (Role.APPROVER, {Right.READ, Right.READ_CONFIGURATIONS, Right.DECIDE}),
        (Role.ADMIN, set(Right)),
    ],
)
def test_a_role_has_these_rights_and_no_others(role: Role, rights: set[Right]) -> None:
    assert {right for right in Right if role.has(right)} == rights
    assert all(role in roles_with(right) for right in rights)


def test_an_auditor_and_a_viewer_do_not_include_each_other() -> None:
    included = {(role, other) for role in Role for other in Role if role is not other and role.includes(other)}
    assert included == {
        (Role.APPROVER, Role.VIEWER),
        (Role.ADMIN, Role.VIEWER),
        (Role.ADMIN, Role.AUDITOR),
        (Role.ADMIN, Role.APPROVER),
    }


@pytest.mark.parametrize("one", Role)
@pytest.mark.parametrize("other", Role)
def test_two_roles_together_allow_exactly_what_both_allow(one: Role, other: Role) -> None:
    role, limit = common_role(one, other)
    assert (role, limit) == common_role(other, one)
    actor = Actor("laptop", role, limit=limit)
    assert {right for right in Right if actor.may(right)} == {
        right for right in Right if one.has(right) and other.has(right)
    }


def test_a_role_says_what_two_may_where_one_does() -> None:
    assert common_role(Role.ADMIN, Role.AUDITOR) == (Role.AUDITOR, None)
    assert common_role(Role.APPROVER, Role.VIEWER) == (Role.VIEWER, None)
    assert common_role(Role.APPROVER, Role.AUDITOR) == (Role.AUDITOR, Role.APPROVER)


def test_a_label_is_read_as_it_is_written() -> None:
    assert parse_label(" site=fra ") == FRA
    assert str(FRA) == "site=fra"
    assert parse_labels(["site=fra", "rack=4", "site=fra"]) == (RACK, FRA)


@pytest.mark.parametrize("text", ["a=b", "a.b-c_d=B.c", f"{'k' * 63}={'V' * 63}", "0=0"])
def test_labels_of_kubernetes_are_labels(text: str) -> None:
    assert str(parse_label(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "site", "=fra", "site=", "Site=fra", "site=fra ams", "s=" + "x" * 64, "x" * 64 + "=s", "-a=b", "a=b-", "a=ü"],
)
def test_a_text_that_is_not_a_label_is_refused(text: str) -> None:
    with pytest.raises(BadLabel, match="site=fra"):
        parse_label(text)


def test_there_are_at_most_32_labels() -> None:
    assert len(parse_labels(f"rack={number}" for number in range(32))) == 32
    with pytest.raises(BadLabel, match="more than 32"):
        parse_labels(f"rack={number}" for number in range(33))


@pytest.mark.parametrize(
    ("name", "is_valid"),
    [
        ("ana", True),
        ("a" * 64, True),
        ("a.b_c@d+e-f", True),
        ("a" * 65, False),
        ("", False),
        (".a", False),
        ("a:b", False),
    ],
)
def test_a_name_is_short_ascii(name: str, is_valid: bool) -> None:
    assert bool(NAME.fullmatch(name)) is is_valid


def test_a_person_without_limits_is_not_limited() -> None:
    assert is_within((), {})
    assert is_within((), {"site": "fra"})


def test_values_of_one_key_are_alternatives_and_all_keys_are_required() -> None:
    limits = parse_labels(["site=fra", "site=ams", "rack=4"])
    assert is_within(limits, {"site": "ams", "rack": "4", "more": "x"})
    assert not is_within(limits, {"site": "ams", "rack": "5"})
    assert not is_within(limits, {"site": "lon", "rack": "4"})


def test_a_machine_without_the_label_is_outside_the_limit() -> None:
    assert not is_within((FRA,), {})
    assert not is_within((FRA,), {"sites": "fra"})


@pytest.mark.parametrize(
    ("limits", "others", "both"),
    [
        ((), (), ()),
        ((FRA,), (), (FRA,)),
        ((), (RACK,), (RACK,)),
        ((AMS, FRA), (FRA, RACK), (RACK, FRA)),
        ((FRA,), (AMS,), None),
        ((FRA, RACK), (AMS,), None),
    ],
)
def test_two_limits_are_narrowed_to_what_both_allow(
    limits: tuple[Label, ...], others: tuple[Label, ...], both: tuple[Label, ...] | None
) -> None:
    assert narrowed(limits, others) == narrowed(others, limits) == both


def test_a_decision_needs_the_role_and_the_label() -> None:
    assert Actor("ana", Role.APPROVER, (FRA,)).may_decide_about({"site": "fra"})
    assert not Actor("ana", Role.APPROVER, (FRA,)).may_decide_about({"site": "ams"})
    assert not Actor("ana", Role.VIEWER, (FRA,)).may_decide_about({"site": "fra"})
    assert not Actor("ana", Role.AUDITOR).may_decide_about({})
    assert not Actor("ana", Role.APPROVER, limit=Role.AUDITOR).may_decide_about({})
    assert Actor("ana", Role.ADMIN).may_decide_about({})
    assert socket_actor("root").may_decide_about({"site": "fra"})


@pytest.mark.parametrize(
    ("actor", "shown"),
    [
        (Actor("ana", Role.ADMIN), "ana"),
        (Actor("ana", Role.ADMIN, via=via_oidc("corp")), "ana (oidc:corp)"),
        (Actor("ana", Role.ADMIN, via="break-glass"), "ana (break-glass)"),
        (Actor("laptop", Role.ADMIN, via=via_token("laptop"), owner="ana"), "ana (token:laptop)"),
        (Actor("ci", Role.ADMIN, via=via_token("ci")), "ci (token:ci)"),
        (socket_actor("root"), "root (admin.sock)"),
        (socket_actor(""), "admin.sock"),
    ],
)
def test_an_actor_is_shown_with_the_way_they_signed_in(actor: Actor, shown: str) -> None:
    assert (str(actor), str(actor.author)) == (shown, shown)


def test_a_rule_and_an_author_of_an_early_version_are_shown_by_name() -> None:
    assert str(Author("rule spare", VIA_RULE)) == "rule spare"
    assert str(Author("ana", "")) == "ana"


def test_an_author_knows_the_token_that_was_used() -> None:
    assert Author("ana", via_token("laptop")).token == "laptop"
    assert Author("ana").token == Author("token:x").token == ""
