"""``[[oidc]]`` and ``[[providers]]``: identity providers where people sign in, and those whose tokens are accepted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bootgrant.approval.claims import OutsideRule, RoleRule
from bootgrant.approval.operators import Role, parse_labels
from bootgrant.approval.policy import Selector
from bootgrant.providers.settings import ALGORITHMS, Check, SignInProvider, TokenProvider, is_safe_url
from bootgrant.service.settings import forms, urls
from bootgrant.service.settings.forms import FILE, FLAG, SELECTORS, TEXT, TEXTS, duration, hidden, if_given, one_of
from bootgrant.service.settings.setting import setting, table_of
from bootgrant.wire.secret import Secret

_ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_LEAST_CHECK: Final = 10.0
_MOST_CHECK: Final = 3600.0
"""Seconds between two checks of one session with its provider."""
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def _id(value: object) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError(f'{value!r} is not an id: use lowercase letters, digits and "-", such as "corp"')
    return value


def _issuer(value: object) -> str:
    url = forms.text(value)
    try:
        parts = urls.split(url)
    except ValueError:
        parts = urlsplit("")
    if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ValueError(
            f'{urls.quoted(url)} is not an issuer; write it as the provider does: "https://sso.example.org"'
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError(f"{urls.quoted(url)} is not https, so an attacker on the network could sign in as anyone")
    return url


def _check_every(value: object) -> float:
    found = forms.seconds(value)
    if found and not _LEAST_CHECK <= found <= _MOST_CHECK:
        raise ValueError(f'{value!r} is not between "10s" and "1h"; "0s" turns the checks off')
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Role:
    """One of ``[[oidc.roles]]``."""

    group: str | None = setting(if_given(TEXT), ())
    claim: str | None = setting(if_given(TEXT), ())
    value: str | None = setting(if_given(TEXT), ())
    role: Role = setting(one_of(Role))
    labels: tuple[str, ...] = setting(TEXTS, ())

    def rule(self, groups_claim: str) -> RoleRule:
        """The rule that gives the role."""
        if self.group is not None and self.claim is None:
            return RoleRule(groups_claim, self.group, self.role, parse_labels(self.labels))
        if self.group is None and self.claim is not None and self.value is not None:
            return RoleRule(self.claim, self.value, self.role, parse_labels(self.labels))
        raise ValueError("each [[oidc.roles]] needs either a group, or a claim and a value")


@dataclass(frozen=True, slots=True, kw_only=True)
class _SignIn:
    """One of ``[[oidc]]``."""

    id: str = setting(hidden("id", _id))
    label: str | None = setting(if_given(TEXT), ())
    issuer: str = setting(hidden("issuer", _issuer))
    role_grace: float = setting(duration(most="30d"), "0s")
    client_id: str = setting(TEXT)
    client_secret_file: Secret | None = setting(if_given(forms.secret()), ())
    scopes: tuple[str, ...] = setting(TEXTS, ())
    groups_claim: str = setting(TEXT, "groups")
    check_every: float = setting(hidden("duration", _check_every), "1m")
    roles: tuple[_Role, ...] = setting(table_of(_Role, "oidc.roles", lambda row: row, label=""), ())

    def provider(self) -> SignInProvider:
        """The provider for the sign-in page."""
        scopes = self.scopes or ("openid", "profile", "email")
        if "openid" not in scopes:
            raise ValueError('scopes: add "openid", without which there is no ID token')
        if not self.roles:
            raise ValueError("without roles nobody could do anything: write [[oidc.roles]] with group and role")
        rules = tuple(role.rule(self.groups_claim) for role in self.roles)
        secret = self.client_secret_file
        client = self.client_id, secret, scopes
        times = self.role_grace, self.check_every
        return SignInProvider(self.id, self.label or self.id, self.issuer, *client, rules, *times)


OIDC: Final = table_of(_SignIn, "oidc", _SignIn.provider, label="id")


def _safe_url(value: object) -> str:
    url = forms.text(value)
    if not is_safe_url(url):
        raise ValueError(
            f"{urls.quoted(url)} is not an https URL; over plain http an attacker could forge keys and tokens"
        )
    return url


def _claims(value: object) -> tuple[tuple[str, tuple[str, ...]], ...]:
    if not isinstance(value, dict) or not value or [] in value.values():
        raise ValueError('a rule needs claims, such as {email = "*@example.org"}')
    return tuple((name, TEXTS.parse(patterns, Path())) for name, patterns in value.items())


def _select(value: object) -> tuple[Selector, ...]:
    if not value:
        raise ValueError('a rule needs select, such as ["site=fra", "worker-*"], or ["*"] for every entry')
    return SELECTORS.parse(value, Path())


def _algorithms(value: object) -> tuple[str, ...]:
    algorithms = TEXTS.parse(value, Path()) or ALGORITHMS
    if wrong := [algorithm for algorithm in algorithms if algorithm not in ALGORITHMS]:
        raise ValueError(f"{wrong[0]!r} is not one of {', '.join(ALGORITHMS)}")
    return algorithms


_OPTIONAL_URL: Final = hidden("URL", lambda value: _safe_url(value) if value != () else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule(OutsideRule):
    """One of ``[[providers.rules]]``."""

    claims: tuple[tuple[str, tuple[str, ...]], ...] = setting(hidden("claims", _claims), ())
    select: tuple[Selector, ...] = setting(hidden("selectors", _select), ())
    control_plane: bool = setting(FLAG, default=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tokens(TokenProvider):
    """One of ``[[providers]]``."""

    name: str = setting(TEXT)
    issuer: str = setting(hidden("URL", _safe_url))
    check: Check = setting(one_of(Check), "jwt")
    rules: tuple[OutsideRule, ...] = setting(table_of(_Rule, "providers.rules", lambda rule: rule, label=""), ())
    audiences: tuple[str, ...] = setting(TEXTS, ())
    scopes: tuple[str, ...] = setting(TEXTS, ())
    client_ids: tuple[str, ...] = setting(TEXTS, ())
    algorithms: tuple[str, ...] = setting(hidden("algorithms", _algorithms), ())
    id_token: bool = setting(FLAG, default=False)
    jwks_url: str = setting(_OPTIONAL_URL, ())
    introspection_url: str = setting(_OPTIONAL_URL, ())
    userinfo_url: str = setting(_OPTIONAL_URL, ())
    client_id: str = setting(hidden("string", lambda value: forms.text(value) if value != () else ""), ())
    client_secret: Secret | None = setting(if_given(forms.secret()), (), name="client_secret_file")
    ca_file: Path | None = setting(if_given(FILE), ())
    leeway: float = setting(duration(most="10m"), "60s")
    keys_kept: float = setting(forms.DURATION, "24h")
    timeout: float = setting(duration("1ms", "1m"), "5s")

    def provider(self) -> TokenProvider:
        """The provider, if its settings are safe."""
        if not self.rules:
            raise ValueError("rules is missing: write [[providers.rules]] with claims and select")
        self._refuse_unsafe()
        plain = TokenProvider(self.name, self.issuer, self.check, self.rules)
        for key, check in _ONLY_FOR.items():
            if self.check is not check and getattr(self, key) != getattr(plain, key):
                raise ValueError(f'{key} has no effect with check = "{self.check.value}": remove it, or change check')
        return self

    def _refuse_unsafe(self) -> None:
        """Refuse what would accept tokens that were issued for something else (the confused deputy)."""
        if self.check is Check.JWT and not self.audiences and not self.id_token:
            raise ValueError("audiences is missing: every token of this provider, for any service, would be accepted")
        if self.id_token and not self.client_ids:
            raise ValueError("id_token needs client_ids: an ID token is for one client (OpenID Connect Core 3.1.3.7)")
        if self.id_token and self.check is not Check.JWT:
            raise ValueError('id_token: an ID token is a JWT, so write check = "jwt"')
        if self.check is Check.INTROSPECTION:
            if not self.audiences and not self.client_ids:
                raise ValueError("introspection needs audiences or client_ids: it accepts every token of the provider")
            if not self.client_id:
                raise ValueError("introspection needs a client_id for this server, and usually a client_secret_file")
        if self.check is Check.USERINFO and (self.audiences or self.client_ids or self.scopes):
            raise ValueError(
                "userinfo does not say what a token was issued for, so audiences, client_ids and scopes cannot be "
                'checked: leave them out, or use check = "jwt" or "introspection"'
            )


_ONLY_FOR: Final = {
    "algorithms": Check.JWT,
    "jwks_url": Check.JWT,
    "keys_kept": Check.JWT,
    "introspection_url": Check.INTROSPECTION,
    "client_id": Check.INTROSPECTION,
    "client_secret": Check.INTROSPECTION,
    "userinfo_url": Check.USERINFO,
}
_PROVIDERS: Final = table_of(_Tokens, "providers", _Tokens.provider)


def parse_providers(value: object, base: Path) -> tuple[TokenProvider, ...]:
    """``[[providers]]``. Raises ValueError."""
    providers = _PROVIDERS.parse(value, base)
    opaque = [provider.name for provider in providers if provider.check is not Check.JWT]
    if len(opaque) > 1:
        raise ValueError(
            f"{' and '.join(opaque)}: only one provider may check tokens by introspection or userinfo, because an "
            "opaque token does not name its issuer and would be shown to both"
        )
    return providers
