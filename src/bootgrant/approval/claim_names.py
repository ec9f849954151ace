"""Names of claims: where providers put groups and roles, and what adds a claim that did not come."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from bootgrant.approval.claim_values import Claims

_PROTOCOL: Final = frozenset({
    "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "nonce", "auth_time", "acr", "amr", "azp", "at_hash", "c_hash",
    "sid", "scope", "scp", "client_id", "typ", "_claim_names", "_claim_sources",
})  # fmt: skip
_WRITTEN_BY_THE_PERSON: Final = frozenset({
    "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
    "website", "email", "email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number",
    "phone_number_verified", "address", "updated_at",
})  # fmt: skip
"""Standard claims (OpenID Connect Core section 5.1). No rule is advised to read a role there."""

_LIKE_GROUPS: Final = re.compile(
    r"(?:^|[/:._-])(?:groups?|roles?|member_?of|memberships?|entitlements|wids)$", re.IGNORECASE
)
_MOST: Final = 50


def is_about_the_person(name: str) -> bool:
    """Return whether a claim describes who the person is, not what they belong to."""
    return name in _WRITTEN_BY_THE_PERSON


def names_like_groups(claims: Claims) -> list[str]:
    """Return the names of claims that may hold groups or roles, nested ones with dots; at most fifty."""
    found = dict.fromkeys(_candidates(claims))
    return list(found)[:_MOST]


def _candidates(claims: Claims) -> Iterator[str]:
    for name, value in claims.items():
        if name in _PROTOCOL or name in _WRITTEN_BY_THE_PERSON:
            continue
        if _LIKE_GROUPS.search(name) or isinstance(value, (list, tuple)):
            yield name
        if isinstance(value, Mapping):
            yield from (f"{name}.{inner}" for inner in _nested(value))


def _nested(value: Mapping[str, object], depth: int = 2) -> Iterator[str]:
    """Yield the lists in an object, such as ``roles`` of realm_access and ``web.roles`` of resource_access."""
    for name, inner in value.items():
        if isinstance(inner, (list, tuple)):
            yield name
        elif isinstance(inner, Mapping) and depth > 1:
            yield from (f"{name}.{each}" for each in _nested(inner, depth - 1))


_SYNONYMS: Final = (
    frozenset({"groups", "group", "memberof", "member_of", "memberships", "cognito:groups"}),
    frozenset({"roles", "role", "realm_access.roles", "wids"}),
)


def similar_name(wanted: str, claims: Claims) -> str:
    """Return the claim that came and is most likely meant by ``wanted``; empty without one."""
    names = [*map(str, claims), *names_like_groups(claims)]
    folded = wanted.casefold()
    for name in names:
        if name.casefold() == folded and name != wanted:
            return name
    meant = next((group for group in _SYNONYMS if folded in group), frozenset())
    last = re.split(r"[/:.]", folded)[-1]
    for name in names:
        other = name.casefold()
        if other != folded and (
            other in meant or (last in ("groups", "roles") and re.split(r"[/:.]", other)[-1] == last)
        ):
            return name
    return ""


_ADVICE: Final[Mapping[str, str]] = {
    "realm_access.roles": 'turn on "Add to ID token" in Keycloak\'s mapper "realm roles" (client scope roles)',
    "email": 'add the scope "email"',
    "email_verified": 'add the scope "email"',
    "preferred_username": 'add the scope "profile"',
    "name": 'add the scope "profile"',
    "cognito:groups": "Cognito sends it only for a person who is in a group of the user pool",
    "roles": "assign an app role to the person (Entra ID), or add a mapper for roles",
    "urn:zitadel:iam:org:project:roles": (
        'turn on "Assert roles on authentication" in the Zitadel project, and add the scope '
        '"urn:zitadel:iam:org:project:roles"'
    ),
}
_GROUPS_ADVICE: Final = (
    'add the scope "groups" if the provider has it, or a mapper that adds the groups to the ID token (Keycloak: Group '
    'Membership with "Add to ID token"; Entra ID: a groups claim in the token configuration). Some providers leave the '
    "claim out for a person without groups"
)


def advice_for(name: str) -> str:
    """Return what adds a claim that did not come."""
    if known := _ADVICE.get(name):
        return known
    if name.startswith("resource_access."):
        return 'turn on "Add to ID token" in Keycloak\'s mapper "client roles" (client scope roles)'
    if "://" in name:
        return "let an action or a rule of the provider add it to the ID token"
    if _LIKE_GROUPS.search(name):
        return _GROUPS_ADVICE
    return "check its name, and add a scope or a mapper that sends it"
