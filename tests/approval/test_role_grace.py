"""The rights at a sign-in when claims did not come: nobody loses any by that."""

from __future__ import annotations

from itertools import product

import pytest

from bootgrant.approval.claims import Rights, RoleRule, rights_of
from bootgrant.approval.operators import Label, Role
from bootgrant.approval.role_grace import Confirmed, Held, Kept, Unknown, confirming, judge

NOW = 1_800_000_000.0
FRA, AMS, RACK = Label("site", "fra"), Label("site", "ams"), Label("rack", "4")
RULES = (
    RoleRule("groups", "admins", Role.ADMIN),
    RoleRule("groups", "fra", Role.APPROVER, (FRA,)),
    RoleRule("roles", "ams", Role.APPROVER, (AMS,)),
    RoleRule("email", "look@example.org", Role.VIEWER),
    RoleRule("email", "boss@example.org", Role.ADMIN),
)
ADMIN, VIEWER = Rights(Role.ADMIN, ()), Rights(Role.VIEWER, ())
IN_FRA, IN_BOTH = Rights(Role.APPROVER, (FRA,)), Rights(Role.APPROVER, (AMS, FRA))
Outcome = Rights | Kept | Unknown | None


def held(rights: Rights, *claims: str, ago: float = 60) -> Held:
    return Held(rights, Confirmed(NOW - ago, claims) if claims else None)


def outcome(claims: dict[str, object], had: Held | None, grace: float = 0.0, left_out: str = "") -> Outcome:
    return judge(claims, {left_out: "too many"} if left_out else {}, RULES, had, NOW, grace)


@pytest.mark.parametrize(
    ("claims", "had", "after"),
    [
        # A new person: what is proven counts; without anything to go by it is unknown.
        ({"groups": ["fra"]}, None, IN_FRA),
        ({"groups": ["others"]}, None, None),
        ({}, None, Unknown(("groups", "roles", "email"))),
        ({"sub": "1", "groups": None}, None, Unknown(("groups", "roles", "email"))),
        # All claims that gave the role came: as they say, although others did not come.
        ({"groups": ["fra"]}, held(ADMIN, "groups"), IN_FRA),
        ({"groups": []}, held(ADMIN, "groups"), None),
        ({"groups": [], "roles": []}, held(IN_FRA, "groups"), None),
        # The claim that gave the role did not come.
        ({}, held(ADMIN, "groups"), Unknown(("groups",))),
        ({"roles": ["ams"]}, held(ADMIN, "groups"), Unknown(("groups",))),
        ({"groups": ["fra"]}, held(IN_BOTH, "groups", "roles"), Unknown(("roles",))),
        ({"groups": ["fra"], "email": "boss@example.org"}, held(IN_BOTH, "groups", "roles"), ADMIN),
        # More than before is proven by what came.
        ({"groups": ["admins"]}, held(IN_BOTH, "groups", "roles"), ADMIN),
        ({"groups": ["fra"], "roles": ["ams"]}, held(IN_FRA, "groups"), IN_BOTH),
        # Which claims gave the role is not known (an operator of an earlier version).
        ({}, held(IN_FRA), Unknown(("groups", "roles", "email"))),
        ({"groups": [], "roles": []}, held(IN_FRA), Unknown(("email",))),
        ({"groups": ["fra"]}, held(IN_FRA), IN_FRA),
        # The rules no longer name the claim that gave the role.
        ({"groups": []}, held(IN_FRA, "teams"), Unknown(("roles", "email"))),
        # Everything came.
        ({"groups": [], "roles": [], "email": "x"}, held(ADMIN), None),
        # Nothing gave this role: it is what is left after the last loss.
        ({}, held(VIEWER), Unknown(("groups", "roles", "email"))),
    ],
)
def test_claims_that_came_count_and_the_others_take_nothing_away(
    claims: dict[str, object], had: Held | None, after: Outcome
) -> None:
    assert outcome(claims, had) == after


@pytest.mark.parametrize(
    ("claims", "had", "after"),
    [
        ({}, held(ADMIN, "groups", ago=3599), Kept(ADMIN, ("groups",))),
        ({}, held(ADMIN, "groups", ago=3600), Unknown(("groups",))),
        ({"groups": ["fra"]}, held(IN_BOTH, "groups", "roles"), Kept(IN_BOTH, ("roles",))),
        ({"groups": []}, held(ADMIN, "groups"), None),
        ({"groups": ["fra"]}, held(ADMIN, "groups"), IN_FRA),
        ({}, held(ADMIN), Unknown(("groups", "email"))),
        ({}, None, Unknown(("groups", "roles", "email"))),
    ],
)
def test_the_last_rights_hold_for_the_grace(claims: dict[str, object], had: Held | None, after: Outcome) -> None:
    assert outcome(claims, had, grace=3600) == after


def test_without_a_grace_nothing_holds_even_if_the_clock_went_back() -> None:
    assert outcome({}, held(ADMIN, "groups", ago=-60)) == Unknown(("groups",))


def test_a_claim_that_is_said_to_be_incomplete_takes_nothing_away_either() -> None:
    assert outcome({"groups": ["x"]}, held(ADMIN, "groups"), left_out="groups") == Unknown(("groups",))
    assert outcome({"groups": ["x"]}, None, left_out="groups") == Unknown(("groups", "roles", "email"))
    assert outcome({"groups": ["x"]}, None, left_out="email") is None
    assert outcome({"groups": ["admins"]}, held(IN_FRA, "groups"), left_out="groups") == ADMIN
    assert outcome({"_claim_names": {"groups": "src1"}}, held(ADMIN, "groups"), 3600) == Kept(ADMIN, ("groups",))


@pytest.mark.parametrize(
    ("before", "after", "keeps"),
    [
        ((FRA,), (FRA,), True),
        ((FRA,), (AMS, FRA), True),
        ((AMS, FRA), (FRA,), False),
        ((), (FRA,), False),
        ((FRA,), (), True),
        ((FRA,), (FRA, RACK), False),
        ((FRA, RACK), (FRA,), True),
    ],
)
def test_labels_that_allow_fewer_machines_are_a_loss(
    before: tuple[Label, ...], after: tuple[Label, ...], keeps: bool
) -> None:
    rules = (RoleRule("groups", "x", Role.APPROVER, after), RoleRule("roles", "y", Role.APPROVER))
    had = held(Rights(Role.APPROVER, before), "groups", "roles")
    found = judge({"groups": ["x"]}, {}, rules, had, NOW, 0)
    assert found == (Rights(Role.APPROVER, tuple(sorted(after))) if keeps else Unknown(("roles",)))


def test_the_claims_that_gave_the_role_are_noted() -> None:
    claims: dict[str, object] = {"groups": ["fra"], "roles": ["ams"], "email": "look@example.org"}
    assert confirming(claims, RULES, IN_BOTH, NOW) == Confirmed(NOW, ("groups", "roles"))


@pytest.mark.parametrize("had", Role)
def test_roles_that_are_no_ladder_never_add_up(had: Role) -> None:
    """Whatever came and did not: the rights are those that the claims prove, or the last ones; never a mixture."""
    rules = tuple(RoleRule(f"c{role.value}", "yes", role) for role in Role)
    for came in product((["yes"], ["no"], None), repeat=len(Role)):
        claims = {rule.claim: value for rule, value in zip(rules, came, strict=True) if value is not None}
        found = judge(claims, {}, rules, held(Rights(had, ()), f"c{had.value}"), NOW, 3600)
        proven = rights_of(claims, rules)
        if f"c{had.value}" in claims:
            assert found == proven, "the claim that gave the last role came"
        elif proven is not None and list(Role).index(proven.role) >= list(Role).index(had):
            assert found == proven, "with that claim the role would be the same"
        else:
            assert found == Kept(Rights(had, ()), (f"c{had.value}",))
