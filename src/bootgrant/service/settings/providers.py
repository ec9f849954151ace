"""``[[oidc]]`` and ``[[providers]]``: the identity providers where people sign in, and those whose tokens are accepted.

Every function raises ValueError for a value it cannot use, and repeats no secret in it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bootgrant.approval.claims import OutsideRule, RoleRule
from bootgrant.approval.operators import BadLabel, Role, parse_labels
from bootgrant.approval.policy import parse_selector
from bootgrant.providers.settings import ALGORITHMS, Check, SignInProvider, TokenProvider, is_safe_url
from bootgrant.service.settings.tables import Row, rows_of

_OIDC_KEYS: Final = ("id", "label", "issuer", "client_id", "client_secret_file", "scopes", "groups_claim", "roles")
_ROLE_KEYS: Final = ("group", "claim", "value", "role", "labels")
_ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
_PROVIDER_KEYS: Final = (
    "name", "issuer", "check", "rules", "audiences", "scopes", "client_ids", "algorithms", "id_token", "jwks_url",
    "introspection_url", "userinfo_url", "client_id", "client_secret_file", "ca_file", "leeway", "keys_kept", "timeout",
)  # fmt: skip
_RULE_KEYS: Final = ("claims", "select", "control_plane")
_ONLY_FOR: Final = {
    "algorithms": Check.JWT,
    "jwks_url": Check.JWT,
    "keys_kept": Check.JWT,
    "id_token": Check.JWT,
    "introspection_url": Check.INTROSPECTION,
    "client_id": Check.INTROSPECTION,
    "client_secret_file": Check.INTROSPECTION,
    "userinfo_url": Check.USERINFO,
}


def parse_oidc(value: object, base: Path) -> tuple[SignInProvider, ...]:
    """``[[oidc]]``."""
    providers = tuple(_sign_in_provider(row) for row in rows_of(value, "oidc", base))
    if len({provider.provider_id for provider in providers}) != len(providers):
        raise ValueError("two [[oidc]] tables have the same id")
    return providers


def _sign_in_provider(row: Row) -> SignInProvider:
    provider_id = row.cells.get("id")
    if not isinstance(provider_id, str) or not _ID.fullmatch(provider_id):
        raise ValueError('each [[oidc]] needs an id of lowercase letters, digits and "-", such as "corp"')
    try:
        row.allow(_OIDC_KEYS)
        return SignInProvider(
            provider_id,
            row.text("label", provider_id),
            _issuer(row.text("issuer")),
            row.text("client_id"),
            row.secret("client_secret_file") if "client_secret_file" in row else None,
            _openid_scopes(row),
            _role_rules(row),
        )
    except ValueError as error:
        raise ValueError(f"{provider_id}: {error}") from None


def _issuer(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f'issuer: {url!r} is not an issuer; write it as the provider does: "https://sso.example.org"')
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError(f"issuer: {url!r} is not https, so an attacker on the network could sign in as anyone")
    return url


def _openid_scopes(row: Row) -> tuple[str, ...]:
    scopes = row.texts("scopes") or ("openid", "profile", "email")
    if "openid" not in scopes:
        raise ValueError('scopes: add "openid", without which there is no ID token')
    return scopes


def _role_rules(row: Row) -> tuple[RoleRule, ...]:
    rules = row.rows("roles")
    if not rules:
        raise ValueError("roles is missing, so nobody would have a role: write [[oidc.roles]] with group and role")
    groups_claim = row.text("groups_claim", "groups")
    return tuple(_role_rule(rule, groups_claim) for rule in rules)


def _role_rule(row: Row, groups_claim: str) -> RoleRule:
    row.allow(_ROLE_KEYS)
    if ("group" in row) == ("claim" in row):
        raise ValueError("each [[oidc.roles]] needs either a group, or a claim and a value")
    claim, value = (groups_claim, row.text("group")) if "group" in row else (row.text("claim"), row.text("value"))
    try:
        return RoleRule(claim, value, row.one_of("role", Role), parse_labels(row.texts("labels")))
    except BadLabel as error:
        raise ValueError(f"labels: {error}") from None


def parse_providers(value: object, base: Path) -> tuple[TokenProvider, ...]:
    """``[[providers]]``."""
    providers = tuple(_token_provider(row) for row in rows_of(value, "providers", base))
    names = [provider.name for provider in providers]
    if len(set(names)) != len(names):
        raise ValueError("two [[providers]] tables have the same name")
    opaque = [provider.name for provider in providers if provider.check is not Check.JWT]
    if len(opaque) > 1:
        raise ValueError(
            f"{' and '.join(opaque)}: only one provider may check tokens by introspection or userinfo, because an "
            "opaque token does not name its issuer and would be shown to both"
        )
    return providers


def _token_provider(row: Row) -> TokenProvider:
    name = row.cells.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError("each [[providers]] needs a name")
    try:
        row.allow(_PROVIDER_KEYS)
        settings = TokenProvider(
            name=name,
            issuer=_safe_url(row, "issuer", required=True),
            check=row.one_of("check", Check, Check.JWT),
            rules=_outside_rules(row),
            audiences=row.texts("audiences"),
            scopes=row.texts("scopes"),
            client_ids=row.texts("client_ids"),
            algorithms=_algorithms(row),
            id_token=row.flag("id_token"),
            jwks_url=_safe_url(row, "jwks_url"),
            introspection_url=_safe_url(row, "introspection_url"),
            userinfo_url=_safe_url(row, "userinfo_url"),
            client_id=row.text("client_id", ""),
            client_secret=row.secret("client_secret_file") if "client_secret_file" in row else None,
            ca_file=row.file("ca_file") if "ca_file" in row else None,
            leeway=row.seconds("leeway", "60s"),
            keys_kept=row.seconds("keys_kept", "24h"),
            timeout=row.seconds("timeout", "5s"),
        )
        _refuse_unsafe(settings)
        _refuse_unused(row, settings.check)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return settings


def _refuse_unsafe(settings: TokenProvider) -> None:
    """Refuse what would accept tokens that were issued for something else (the confused deputy)."""
    if settings.check is Check.JWT and not settings.audiences and not settings.id_token:
        raise ValueError("audiences is missing: every token of this provider, for any service, would be accepted")
    if settings.id_token and not settings.client_ids:
        raise ValueError("id_token needs client_ids: an ID token is for one client (OpenID Connect Core 3.1.3.7)")
    if settings.id_token and settings.check is not Check.JWT:
        raise ValueError('id_token: an ID token is a JWT, so write check = "jwt"')
    if settings.check is Check.INTROSPECTION:
        if not settings.audiences and not settings.client_ids:
            raise ValueError("introspection needs audiences or client_ids: every token of the provider is active there")
        if not settings.client_id:
            raise ValueError("introspection needs a client_id for this server, and usually a client_secret_file")
    if settings.check is Check.USERINFO and (settings.audiences or settings.client_ids or settings.scopes):
        raise ValueError(
            "userinfo does not say what a token was issued for, so audiences, client_ids and scopes cannot be checked: "
            'leave them out, or use check = "jwt" or "introspection"'
        )
    if settings.leeway > 600:
        raise ValueError('leeway: must be at most "10m"; correct the clocks instead')
    if not 0 < settings.timeout <= 60:
        raise ValueError('timeout: must be more than "0s" and at most "1m", because a machine waits for the answer')


def _refuse_unused(row: Row, check: Check) -> None:
    """Refuse keys that this way of checking ignores: another one was probably intended."""
    for key in sorted(row.cells.keys() & _ONLY_FOR.keys()):
        if check is not _ONLY_FOR[key]:
            raise ValueError(f'{key} has no effect with check = "{check.value}": remove it, or write another check')


def _outside_rules(row: Row) -> tuple[OutsideRule, ...]:
    rules = row.rows("rules")
    if not rules:
        raise ValueError("rules is missing: write [[providers.rules]] with claims and select")
    return tuple(_outside_rule(rule) for rule in rules)


def _outside_rule(row: Row) -> OutsideRule:
    row.allow(_RULE_KEYS)
    claims = row.cells.get("claims")
    if not isinstance(claims, dict) or not claims or [] in claims.values():
        raise ValueError('a rule needs claims, such as {email = "*@example.org"}')
    patterns = Row("providers.rules.claims", claims, row.base)
    select = tuple(parse_selector(selector) for selector in row.texts("select"))
    if not select:
        raise ValueError('a rule needs select, such as ["site=fra", "worker-*"], or ["*"] for every entry')
    return OutsideRule(tuple((name, patterns.texts(name)) for name in claims), select, row.flag("control_plane"))


def _algorithms(row: Row) -> tuple[str, ...]:
    algorithms = row.texts("algorithms") or ALGORITHMS
    if wrong := [algorithm for algorithm in algorithms if algorithm not in ALGORITHMS]:
        raise ValueError(f"algorithms: {wrong[0]!r} is not one of {', '.join(ALGORITHMS)}")
    return algorithms


def _safe_url(row: Row, key: str, *, required: bool = False) -> str:
    url = row.text(key, None if required else "")
    if url and not is_safe_url(url):
        raise ValueError(f"{key}: {url!r} is not an https URL; over plain http an attacker could forge keys and tokens")
    return url
