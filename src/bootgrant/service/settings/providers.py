"""``[[providers]]`` of bootgrant.toml: whose tokens are accepted at /config, and what they let in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from bootgrant.approval.claims import OutsideRule
from bootgrant.approval.policy import BadSelector, parse_selector
from bootgrant.providers.settings import ALGORITHMS, Check, ProviderSettings, is_safe_url
from bootgrant.service.settings.rows import Row, flag, refuse_unknown, rows_of, secret, text, texts

_KEYS: Final = frozenset(
    {
        "name", "issuer", "check", "rules", "audiences", "scopes", "client_ids", "algorithms", "id_token", "jwks_url",
        "introspection_url", "userinfo_url", "client_id", "client_secret_file", "ca_file", "leeway", "keys_kept",
        "timeout",
    }
)  # fmt: skip
_RULE_KEYS: Final = frozenset({"claims", "select", "control_plane"})


def parse_providers(value: object, base: Path, seconds: Callable[[str], float]) -> tuple[ProviderSettings, ...]:
    """The providers; files are below ``base`` unless absolute, ``seconds`` reads a duration. Raises ValueError."""
    rows = rows_of(value, "write each as [[providers]] with a name and an issuer")
    providers = tuple(_provider(row, base, seconds) for row in rows)
    names = [provider.name for provider in providers]
    if len(set(names)) != len(names):
        raise ValueError("two of [[providers]] have the same name")
    opaque = [provider.name for provider in providers if provider.check is not Check.JWT]
    if len(opaque) > 1:
        raise ValueError(
            f"{' and '.join(opaque)}: only one provider may have its tokens checked by asking it; an opaque token does "
            "not say whose it is, and would be shown to both"
        )
    return providers


def _provider(row: Row, base: Path, seconds: Callable[[str], float]) -> ProviderSettings:
    name = row.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError("each of [[providers]] has a name")
    try:
        refuse_unknown(row, _KEYS, "[[providers]]")
        settings = ProviderSettings(
            name=name,
            issuer=_url(row, "issuer", required=True),
            check=_check(row),
            rules=_rules(row),
            audiences=texts(row, "audiences"),
            scopes=texts(row, "scopes"),
            client_ids=texts(row, "client_ids"),
            algorithms=_algorithms(row),
            id_token=flag(row, "id_token"),
            jwks_url=_url(row, "jwks_url"),
            introspection_url=_url(row, "introspection_url"),
            userinfo_url=_url(row, "userinfo_url"),
            client_id=text(row, "client_id", ""),
            client_secret=secret(row, "client_secret_file", base) if "client_secret_file" in row else None,
            ca_file=base / Path(text(row, "ca_file")).expanduser() if "ca_file" in row else None,
            leeway=seconds(text(row, "leeway", "60s")),
            keys_kept=seconds(text(row, "keys_kept", "24h")),
            timeout=seconds(text(row, "timeout", "5s")),
        )
        _refuse_unsafe(settings)
        _refuse_unused(row, settings.check)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return settings


def _refuse_unsafe(settings: ProviderSettings) -> None:
    """What would let in tokens that were given out for something else (the confused deputy)."""
    if settings.check is Check.JWT and not settings.audiences and not settings.id_token:
        raise ValueError(
            "audiences is missing: without it every token of this provider, for whatever service, would be good here"
        )
    if settings.id_token and not settings.client_ids:
        raise ValueError("id_token needs client_ids: an ID token is for one client (OpenID Connect Core 3.1.3.7)")
    if settings.id_token and settings.check is not Check.JWT:
        raise ValueError('an ID token is a JWT: write check = "jwt"')
    if settings.check is Check.INTROSPECTION:
        if not settings.audiences and not settings.client_ids:
            raise ValueError("introspection needs audiences or client_ids: every token of the provider is active there")
        if not settings.client_id:
            raise ValueError("introspection needs a client_id of this server, and mostly a client_secret_file")
    if settings.check is Check.USERINFO and (settings.audiences or settings.client_ids or settings.scopes):
        raise ValueError(
            "userinfo does not say whom a token was given out for, so audiences, client_ids and scopes cannot be "
            'looked at: use check = "jwt" or "introspection", or leave them out'
        )
    if settings.leeway > 600:
        raise ValueError('leeway: at most "10m"; put the clocks right instead')
    if not 0 < settings.timeout <= 60:
        raise ValueError('timeout: more than "0s" and at most "1m"; a machine waits for the answer')


def _refuse_unused(row: Row, check: Check) -> None:
    """What another way of checking would need says that something else was meant."""
    for key in sorted(set(row) & _ONLY_FOR.keys()):
        if check not in _ONLY_FOR[key]:
            raise ValueError(f'{key} means nothing with check = "{check.value}": leave it out, or write another check')


_ONLY_FOR: Final = {
    "algorithms": (Check.JWT,),
    "jwks_url": (Check.JWT,),
    "keys_kept": (Check.JWT,),
    "id_token": (Check.JWT,),
    "introspection_url": (Check.INTROSPECTION,),
    "client_id": (Check.INTROSPECTION,),
    "client_secret_file": (Check.INTROSPECTION,),
    "userinfo_url": (Check.USERINFO,),
}


def _rules(row: Row) -> tuple[OutsideRule, ...]:
    rules = row.get("rules", [])
    if not isinstance(rules, list) or not rules or not all(isinstance(rule, dict) for rule in rules):
        raise ValueError("who may let in what is missing: write [[providers.rules]] with claims and select")
    return tuple(_rule(rule) for rule in rules)


def _rule(rule: Row) -> OutsideRule:
    refuse_unknown(rule, _RULE_KEYS, "[[providers.rules]]")
    claims = rule.get("claims")
    if not isinstance(claims, dict) or not claims or [] in claims.values():
        raise ValueError('a rule needs claims, such as {email = "*@example.org"}')
    try:
        select = tuple(parse_selector(one) for one in texts(rule, "select"))
    except BadSelector as error:
        raise ValueError(str(error)) from None
    if not select:
        raise ValueError('a rule needs select, such as ["site=fra", "worker-*"], or ["*"] for every entry')
    return OutsideRule(tuple((name, texts(claims, name)) for name in claims), select, flag(rule, "control_plane"))


def _check(row: Row) -> Check:
    try:
        return Check(row.get("check", "jwt"))
    except ValueError:
        raise ValueError(f"check is one of {', '.join(check.value for check in Check)}") from None


def _algorithms(row: Row) -> tuple[str, ...]:
    algorithms = texts(row, "algorithms") or ALGORITHMS
    if wrong := [algorithm for algorithm in algorithms if algorithm not in ALGORITHMS]:
        raise ValueError(f"algorithms: {wrong[0]!r} is none of {', '.join(ALGORITHMS)}")
    return algorithms


def _url(row: Row, key: str, *, required: bool = False) -> str:
    url = text(row, key, None if required else "")
    if url and not is_safe_url(url):
        raise ValueError(
            f"{key}: {url!r} is no https URL; whoever is on the way could forge keys and tokens over plain http"
        )
    return url
