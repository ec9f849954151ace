"""Roles are a ladder, labels are limits."""

from __future__ import annotations

import pytest

from bootgrant.approval.operators import (
    Actor,
    BadLabel,
    Label,
    Role,
    is_within,
    parse_label,
    parse_labels,
    socket_actor,
    via_oidc,
)

FRA = Label("site", "fra")


@pytest.mark.parametrize(
    ("role", "may"),
    [
        (Role.VIEWER, {Role.VIEWER}),
        (Role.APPROVER, {Role.VIEWER, Role.APPROVER}),
        (Role.ADMIN, {Role.VIEWER, Role.APPROVER, Role.ADMIN}),
    ],
)
def test_a_role_may_what_the_ones_below_it_may(role: Role, may: set[Role]) -> None:
    assert {least for least in Role if role.is_at_least(least)} == may


def test_a_label_is_read_as_it_is_written() -> None:
    assert parse_label(" site=fra ") == FRA
    assert str(FRA) == "site=fra"
    assert parse_labels(["site=fra", "rack=4", "site=fra"]) == (Label("rack", "4"), FRA)


@pytest.mark.parametrize(
    "text", ["", "site", "=fra", "site=", "Site=fra", "site=fra ams", "s=" + "x" * 64, "-a=b", "a=ü"]
)
def test_what_is_no_label_is_refused(text: str) -> None:
    with pytest.raises(BadLabel, match="site=fra"):
        parse_label(text)


def test_there_is_an_end_to_labels() -> None:
    with pytest.raises(BadLabel, match="more than 32"):
        parse_labels(f"rack={number}" for number in range(33))


def test_nobody_is_limited_without_limits() -> None:
    assert is_within((), {})
    assert is_within((), {"site": "fra"})


def test_values_of_one_key_are_choices_and_keys_are_all_needed() -> None:
    limits = parse_labels(["site=fra", "site=ams", "rack=4"])
    assert is_within(limits, {"site": "ams", "rack": "4", "more": "x"})
    assert not is_within(limits, {"site": "ams", "rack": "5"})
    assert not is_within(limits, {"site": "lon", "rack": "4"})


def test_a_machine_without_the_label_is_outside_the_limit() -> None:
    assert not is_within((FRA,), {})
    assert not is_within((FRA,), {"sites": "fra"})


def test_a_decision_needs_the_role_and_the_label() -> None:
    assert Actor("ana", Role.APPROVER, (FRA,)).may_decide_about({"site": "fra"})
    assert not Actor("ana", Role.APPROVER, (FRA,)).may_decide_about({"site": "ams"})
    assert not Actor("ana", Role.VIEWER, (FRA,)).may_decide_about({"site": "fra"})
    assert socket_actor("root").may_decide_about({"site": "fra"})


def test_an_actor_is_told_with_the_way_they_came() -> None:
    assert str(Actor("ana", Role.ADMIN)) == "ana"
    assert str(Actor("ana", Role.ADMIN, via=via_oidc("corp"))) == "ana (oidc:corp)"
    assert str(socket_actor("root")) == "root (admin.sock)"
