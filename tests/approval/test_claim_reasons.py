"""Why no rule matched: what came, and the nearest rule."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.approval.claim_nearness import Need, is_typing_error
from bootgrant.approval.claim_reasons import Tried, explain
from bootgrant.approval.claims import RoleRule, why_no_role
from bootgrant.approval.operators import Label, Role

GUIDS = ["5f0c2a5e-1111-4222-8333-444455556666", "5f0c2a5e-1111-4222-8333-444455556667"]
PATH = 'turn off "Full group path" in Keycloak\'s group mapper, or write "/platform" in the rule'


def nearest(claims: dict[str, object], *rules: tuple[str, str], left_out: dict[str, str] | None = None) -> str:
    tried = [RoleRule(claim, value, Role.APPROVER) for claim, value in rules or [("groups", "platform")]]
    return why_no_role(claims, left_out or {}, tried).nearest


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        (["a", " platform"], '" platform" is not "platform": there are spaces or invisible characters around one'),
        (["platform\u200b"], "there are spaces or invisible characters around one"),
        (["Platform"], '"Platform" is not "platform": upper and lower case differ; write "Platform" in the rule'),
        (["/ops", "/platform"], f'"/platform" is not "platform": {PATH}'),
        (["/infra/platform"], '"/infra/platform" is not "platform": turn off "Full group path"'),
        (["/infra/Platform"], 'or write "/infra/Platform" in the rule'),
        (["cn=platform,ou=groups,dc=example"], "it is the distinguished name (DN) of a directory entry"),
        (["CN=Platform, OU=x"], "let the provider send the name (cn), or write the whole DN"),
        (["CORP\\platform"], "it has a domain"),
        (["platform@corp.example"], "it has a domain"),
        ("ops,platform", "came as one text, which is not split: let the provider send a list"),
        ("ops platform", "came as one text, which is not split"),
        (["platfrom"], '"platfrom" is not "platform", but nearly'),
        (["plattform"], "but nearly: correct the one that is mistyped"),
        (GUIDS, '"groups" has object IDs, not names, as Entra ID sends them: write the object ID'),
        ([{"id": "1", "name": "platform"}], 'is a list of objects: name the claim "groups.name" in the rule'),
        ([{"id": "1", "display": "x"}], 'name one of its members: "groups.id", "groups.display"'),
        ({"platform": False}, '"groups" has the member, but its value is neither true nor an object'),
        ({"roles": ["platform"]}, 'but "groups.roles" has "platform": name the claim "groups.roles" in the rule'),
        ({"roles": "ops"}, '"groups" is an object: name the claim "groups.roles" in the rule'),
        ([], '"groups" came without a value, and "platform" is needed'),
        (["alpha", "beta"], '"groups" has "alpha", "beta": none is "platform"'),
        (7, '"groups" has "7": none is "platform"'),
    ],
)
def test_the_difference_between_what_came_and_what_a_rule_needs_is_named(groups: object, reason: str) -> None:
    assert reason in nearest({"sub": "1", "groups": groups})


@pytest.mark.parametrize(
    ("claims", "rule", "reason"),
    [
        ({"roles": ["platform"]}, ("groups", "platform"), '"groups" did not come, but "roles" has "platform"'),
        (
            {"groups": ["x"], "roles": ["platform"]},
            ("groups", "platform"),
            '"groups" does not have it, but "roles" has "platform": name the claim "roles" in the rule',
        ),
        (
            {"realm_access": {"roles": ["platform"]}},
            ("groups", "platform"),
            'but "realm_access.roles" has "platform"',
        ),
        (
            {"resource_access": {"web": {"roles": ["platform"]}}},
            ("groups", "platform"),
            'but "resource_access.web.roles" has "platform"',
        ),
        ({"https://x.example/groups": ["platform"]}, ("groups", "platform"), 'but "https://x.example/groups" has'),
        ({"cognito:groups": ["x"]}, ("groups", "platform"), '"groups" did not come, "cognito:groups" did'),
        ({"memberOf": ["x"]}, ("groups", "platform"), '"groups" did not come, "memberOf" did'),
        ({"group": "x"}, ("groups", "platform"), '"groups" did not come, "group" did'),
        ({"Groups": ["x"]}, ("groups", "platform"), '"groups" did not come, "Groups" did'),
        ({"roles": ["x"]}, ("realm_access.roles", "platform"), '"realm_access.roles" did not come, "roles" did'),
        ({}, ("realm_access.roles", "platform"), 'turn on "Add to ID token" in Keycloak\'s mapper "realm roles"'),
        ({}, ("resource_access.web.roles", "x"), 'turn on "Add to ID token" in Keycloak\'s mapper "client roles"'),
        ({}, ("groups", "platform"), '"groups" did not come: add the scope "groups"'),
        ({"roles": ["x"]}, ("groups", "platform"), '(what came and may have it: "roles")'),
        ({}, ("email", "a@example.org"), '"email" did not come: add the scope "email"'),
        ({}, ("urn:zitadel:iam:org:project:roles", "x"), "Assert roles on authentication"),
        ({}, ("https://x.example/groups", "x"), "let an action or a rule of the provider add it"),
        ({}, ("department", "x"), "check its name, and add a scope or a mapper that sends it"),
        ({"groups": ["platform"]}, ("groups", "/platform"), 'turn on "Full group path"'),
        ({"groups": ["platform"]}, ("groups", GUIDS[0]), "the rule has an object ID: write the name in the rule"),
        (
            {"_claim_names": {"groups": "src1"}},
            ("groups", "x"),
            '"groups" is unknown (_claim_names: the person is in too',
        ),
    ],
)
def test_a_claim_under_another_name_or_missing_is_named(
    claims: dict[str, object], rule: tuple[str, str], reason: str
) -> None:
    assert reason in nearest({"sub": "1", **claims}, rule)


def test_a_better_reason_counts_before_the_provider_s_own() -> None:
    left_out = {"groups": "neither the ID token nor userinfo has groups"}
    assert "neither the ID token nor userinfo" in nearest({"sub": "1"}, left_out=left_out)
    assert 'but "roles" has "platform"' in nearest({"roles": ["platform"]}, left_out=left_out)
    assert '"memberOf" did' in nearest({"memberOf": ["x"]}, left_out=left_out)
    objects = {"groups": [{"name": "platform"}]}
    assert 'name the claim "groups.name"' in nearest(dict(objects), left_out={"groups": "a list without texts"})


@pytest.mark.parametrize("claim", ["nickname", "preferred_username", "name", "website"])
def test_no_role_is_advised_to_be_read_from_what_people_write_themselves(claim: str) -> None:
    assert claim not in nearest({claim: ["platform"]})


def test_the_nearest_of_several_rules_is_shown_and_every_rule_with_its_reason() -> None:
    rules = [
        RoleRule("groups", "admins", Role.ADMIN),
        RoleRule("groups", "fra", Role.APPROVER, (Label("site", "fra"),)),
    ]
    found = why_no_role({"sub": "8f1", "groups": ["/fra", "ops"], "email": "ana@example.org"}, {}, rules)
    assert found.nearest.startswith('"/fra" is not "fra"')
    assert found.came == ('groups: "/fra", "ops"',)
    assert found.rules == (
        'groups = "admins" gives admin: "groups" has "/fra", "ops": none is "admins"',
        f'groups = "fra" gives approver, site=fra: {found.nearest}',
    )
    assert found.names == '"sub", "groups", "email"'
    assert "ana@example.org" not in str(found)
    assert found.details() == {
        "claims": found.names, "came_1": found.came[0], "rule_1": found.rules[0], "rule_2": found.rules[1],
        "nearest": found.nearest,
    }  # fmt: skip


def test_what_did_not_come_is_said_of_every_claim_that_rules_name() -> None:
    rules = [RoleRule(name, "x", Role.VIEWER) for name in ("groups", "email", "roles", "teams")]
    claims: dict[str, object] = {"roles": [], "teams": [{"id": 1}]}
    assert why_no_role(claims, {"groups": "userinfo answered 403"}, rules).came == (
        "groups: unknown (userinfo answered 403)",
        "email: did not come",
        "roles: came empty",
        "teams: a list of objects",
    )


def test_of_a_rule_with_several_claims_the_one_that_does_not_match_is_explained() -> None:
    needs = (Need("groups", ("ops-*",), is_exact=False), Need("email_verified", ("true",), is_exact=False))
    other = (Need("groups", ("admins", "root"), is_exact=False), Need("email_verified", ("true",), is_exact=False))
    found = explain({"groups": ["ops-1"], "email_verified": False}, {}, [Tried(other, "*"), Tried(needs, "site=fra")])
    assert found.nearest == '"email_verified" has "false": none is "true"'
    assert found.rules[0].startswith('groups = "admins" or "root" and email_verified = "true" gives *: ')


def test_thousands_of_long_groups_are_cut_and_still_searched() -> None:
    groups = [*(f"g{number}-{'x' * 3000}" for number in range(1500)), "Platform"]
    rules = [RoleRule("groups", f"rule-{number}", Role.VIEWER) for number in range(20)]
    found = why_no_role({"groups": groups}, {}, [*rules, RoleRule("groups", "platform", Role.ADMIN)])
    assert found.nearest.startswith('"Platform" is not "platform"')
    assert found.came[0].endswith("and 1491 more")
    assert found.rules[-1] == "and 9 more rules"
    assert len(str(dict(found.details()))) < 12_000


def test_tokens_and_characters_that_cannot_be_seen_are_not_shown() -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1LTEifQ.c2lnbmF0dXJl"
    found = str(why_no_role({"groups": [token, "a\u202eb\n\x1b[31m"]}, {}, [RoleRule("groups", "x", Role.VIEWER)]))
    assert "eyJ" not in found
    assert found.isprintable()
    assert "\\u202e" in found


@pytest.mark.parametrize(
    ("one", "other", "is_error"),
    [
        ("platform", "platfrm", True), ("platform", "pltform2", True), ("platform", "plxyzorm", False),
        ("ops", "opz", False), ("prod", "prdo", False), ("prod", "prid", True), ("test", "prod", False),
        ("same", "same", False), ("", "ab", False),
    ],
)  # fmt: skip
def test_a_typing_error_is_at_most_two_letters(one: str, other: str, is_error: bool) -> None:
    assert is_typing_error(one, other) is is_error


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.dictionaries(st.sampled_from(["groups", "roles", "a.b", "realm_access"]) | st.text(max_size=8), JSON),
    st.sampled_from(["groups", "realm_access.roles", "a.b", "a"]) | st.text(max_size=8),
    st.text(alphabet=string.printable + "é\u202e*[", max_size=12),
)
def test_any_claims_are_explained_in_printable_limited_texts(claims: dict[str, object], name: str, wanted: str) -> None:
    for exact in (True, False):
        found = explain(claims, {}, [Tried((Need(name, (wanted,), exact),), "viewer")])
        texts = [str(found), *found.details().values()]
        assert all(text.isprintable() and len(text) < 6000 for text in texts)
