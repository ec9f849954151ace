"""Claims of a provider as rights here."""

from __future__ import annotations

import pytest

from bootgrant.approval.claims import Rights, RoleRule, rights_of, values_of
from bootgrant.approval.operators import Label, Role

FRA, AMS = Label("site", "fra"), Label("site", "ams")
RULES = (
    RoleRule("groups", "all", Role.VIEWER),
    RoleRule("groups", "fra", Role.APPROVER, (FRA,)),
    RoleRule("groups", "ams", Role.APPROVER, (AMS,)),
    RoleRule("groups", "everywhere", Role.APPROVER),
    RoleRule("email", "boss@example.org", Role.ADMIN),
)


@pytest.mark.parametrize(
    ("groups", "rights"),
    [
        (["all"], Rights(Role.VIEWER, ())),
        (["all", "fra"], Rights(Role.APPROVER, (FRA,))),
        (["ams", "fra"], Rights(Role.APPROVER, (AMS, FRA))),
        (["ams", "everywhere"], Rights(Role.APPROVER, ())),
        (["fra "], None),
        ("fra", Rights(Role.APPROVER, (FRA,))),
        (None, None),
    ],
)
def test_the_highest_role_counts_with_the_labels_of_all_that_give_it(groups: object, rights: Rights | None) -> None:
    assert rights_of({"groups": groups}, RULES) == rights


def test_any_claim_can_give_a_role() -> None:
    assert rights_of({"email": "boss@example.org", "groups": ["fra"]}, RULES) == Rights(Role.ADMIN, ())


@pytest.mark.parametrize(
    ("claims", "name", "values"),
    [
        ({"realm_access": {"roles": ["a", 1, "b"]}}, "realm_access.roles", ("a", "b")),
        ({"https://x.example/groups": ["a"]}, "https://x.example/groups", ("a",)),
        ({"a.b": ["whole"], "a": {"b": ["inner"]}}, "a.b", ("whole",)),
        ({"a": ["b"]}, "a.b", ()),
        ({"a": True}, "a", ()),
        ({}, "a", ()),
    ],
)
def test_a_claim_is_found_whole_or_inside(claims: dict[str, object], name: str, values: tuple[str, ...]) -> None:
    assert tuple(values_of(claims, name)) == values
