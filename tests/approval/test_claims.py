"""What claims of a provider mean here: a role, and the entries that a token may approve."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bootgrant.approval.claim_values import is_unknown, why_left_out
from bootgrant.approval.claims import (
    NotAllowed,
    OutsideRule,
    Person,
    Rights,
    RoleRule,
    allowing_rule,
    rights_of,
    values_of,
)
from bootgrant.approval.operators import Label, Role
from bootgrant.approval.policy import parse_selector
from bootgrant.ports.configurations import MachineEntry

ZITADEL = "urn:zitadel:iam:org:project:roles"
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
def test_the_highest_role_counts_with_the_labels_of_all_rules_that_give_it(
    groups: object, rights: Rights | None
) -> None:
    assert rights_of({"groups": groups}, RULES) == rights


def test_any_claim_can_give_a_role() -> None:
    assert rights_of({"email": "boss@example.org", "groups": ["fra"]}, RULES) == Rights(Role.ADMIN, ())


@pytest.mark.parametrize(
    ("claims", "name", "values"),
    [
        ({"realm_access": {"roles": ["a", 1, "b"]}}, "realm_access.roles", ("a", "1", "b")),
        ({"a": {"b": {"c": "deep"}}}, "a.b.c", ("deep",)),
        ({"https://x.example/groups": ["a"]}, "https://x.example/groups", ("a",)),
        ({"a.b": ["whole"], "a": {"b": ["inner"]}}, "a.b", ("whole",)),
        ({"a": ["b"]}, "a.b", ()),
        ({"a": [True, False, 7, 1.5, None, ["nested"]]}, "a", ("true", "false", "7", "1.5")),
        ({"a": float("nan")}, "a", ()),
        ({"a": "x, y z"}, "a", ("x, y z",)),
        ({ZITADEL: {"admin": {"2339": "acme.example"}, "old": {}, "no": None}}, ZITADEL, ("admin",)),
        ({"groups": {"fra": True, "ams": False, "muc": 1}}, "groups", ("fra",)),
        ({"resource_access": {"web": {"roles": ["x"]}}}, "resource_access.web.roles", ("x",)),
        ({"resource_access": {"my.web.app": {"roles": ["x"]}}}, "resource_access.my.web.app.roles", ("x",)),
        ({"https://example.com/claims": {"groups": ["x"]}}, "https://example.com/claims.groups", ("x",)),
        ({"groups": [{"name": "x", "id": 4}, {"name": "y"}]}, "groups", ()),
        ({"groups": [{"name": "x", "id": 4}, {"name": "y"}]}, "groups.name", ("x", "y")),
        ({"groups": [{"roles": ["x", "y"]}, {"roles": []}]}, "groups.roles", ("x", "y")),
        ({"groups": ["x"]}, "groups.name", ()),
        ({"cognito:groups": ["x"]}, "cognito:groups", ("x",)),
        ({"a": {"b": None}}, "a.b", ()),
        ({}, "a", ()),
        ({}, "a.b..c.", ()),
    ],
)
def test_a_claim_is_found_whole_or_nested(claims: dict[str, object], name: str, values: tuple[str, ...]) -> None:
    assert tuple(values_of(claims, name)) == values


@pytest.mark.parametrize(
    ("claims", "is_missing"),
    [({}, True), ({"groups": None}, True), ({"groups": []}, False), ({"groups": ""}, False), ({"groups": {}}, False)],
)
def test_a_claim_that_did_not_come_is_unknown_and_an_empty_one_is_not(
    claims: dict[str, object], is_missing: bool
) -> None:
    assert is_unknown(claims, {}, "groups") is is_missing


@pytest.mark.parametrize(
    ("claims", "left_out", "name", "why"),
    [
        ({"_claim_names": {"groups": "src1"}}, {}, "groups", "_claim_names: the person is in too many groups"),
        ({"_claim_names": {"groups": "src1"}}, {}, "email", ""),
        ({"_claim_names": {"realm_access": "s"}}, {}, "realm_access.roles", "_claim_names: "),
        ({"_claim_names": "groups"}, {}, "groups", ""),
        ({"hasgroups": True}, {}, "groups", "hasgroups: the person is in too many groups"),
        ({"hasgroups": "true"}, {}, "groups", "hasgroups: "),
        ({"hasgroups": False}, {}, "groups", ""),
        ({"groups:src1": "https://graph.example/x"}, {}, "groups", "groups:src1: the person is in too many groups"),
        ({}, {"groups": "userinfo answered 403"}, "groups", "userinfo answered 403"),
        ({}, {"realm_access": "userinfo answered 403"}, "realm_access.roles", "userinfo answered 403"),
    ],
)
def test_a_provider_may_say_that_it_left_a_claim_out(
    claims: dict[str, object], left_out: dict[str, str], name: str, why: str
) -> None:
    said = why_left_out(claims, left_out, name)
    assert said.startswith(why)
    assert bool(said) is bool(why)


ALL = {"groups": "all"}


def rule(select: str = "*", *, control_plane: bool = False, claims: Mapping[str, str] = ALL) -> OutsideRule:
    given = tuple((name, (pattern,)) for name, pattern in claims.items())
    return OutsideRule(given, (parse_selector(select),), control_plane)


ANA = Person("corp", "8f1", "ana@example.org", {"groups": ["fra-ops", "all"], "email_verified": True}, None)
WORKER = MachineEntry("worker-1", "serial", {"site": "fra"})
CP = MachineEntry("cp-1", "uuid", {"site": "fra"}, machine_type="controlplane")
VAULT = MachineEntry("vault", "uuid", {"site": "fra"}, approvals=2)


def why_not(entry: MachineEntry, *rules: OutsideRule) -> str:
    with pytest.raises(NotAllowed) as refused:
        allowing_rule(rules, ANA, entry)
    return str(refused.value)


@pytest.mark.parametrize(
    ("claims", "is_about"),
    [
        ({"groups": "fra-ops"}, True),
        ({"groups": "fra-*"}, True),
        ({"groups": "FRA-*"}, False),
        ({"groups": "all", "email_verified": "true"}, True),
        ({"groups": "all", "email_verified": "false"}, False),
        ({"nothing": "*"}, False),
        ({}, True),
    ],
)
def test_a_rule_is_about_people_with_all_of_its_claims(claims: dict[str, str], is_about: bool) -> None:
    assert rule(claims=claims).is_about(ANA) is is_about


def test_the_first_rule_that_allows_an_entry_counts() -> None:
    rules = rule(claims={"groups": "others"}), rule("site=ams"), rule("site=fra"), rule()
    assert allowing_rule(rules, ANA, WORKER) is rules[2]


def test_a_refusal_says_what_is_missing() -> None:
    assert why_not(WORKER, rule(claims={"groups": "Fra-*"})) == (
        'no rule of this provider matches ana@example.org (corp); came: groups: "fra-ops", "all"; nearest rule: '
        '"fra-ops" is not "Fra-*": upper and lower case differ; write "fra-ops" in the rule; all claims: "groups", '
        '"email_verified"'
    )
    assert why_not(WORKER, rule("site=ams")) == (
        "no rule allows ana@example.org (corp) to approve worker-1: theirs select site=ams"
    )
    assert why_not(CP, rule()) == (
        "cp-1 is a control plane, has keys of a cluster, or needs several people: set control_plane = true in a rule, "
        "or approve it on bootgrant's own page"
    )


@pytest.mark.parametrize("entry", [CP, VAULT])
def test_a_precious_entry_needs_a_rule_that_says_so(entry: MachineEntry) -> None:
    with pytest.raises(NotAllowed) as refused:
        allowing_rule([rule()], ANA, entry)
    assert refused.value.only_control_plane
    allowing = rule(control_plane=True)
    assert allowing_rule([rule(), allowing], ANA, entry) is allowing
    with pytest.raises(NotAllowed) as refused:
        allowing_rule([rule("site=ams", control_plane=True)], ANA, entry)
    assert not refused.value.only_control_plane


def test_a_person_without_a_name_is_shown_by_subject() -> None:
    assert str(Person("corp", "8f1", "", {}, None)) == "8f1 (corp)"
