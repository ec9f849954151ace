"""``[[oidc]]`` of bootgrant.toml: the providers whose people may sign in, and what they may do here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bootgrant.approval.claims import RoleRule
from bootgrant.approval.operators import BadLabel, Role, parse_labels
from bootgrant.ports.providers import ProviderSettings
from bootgrant.service.settings.rows import Row, refuse_unknown, rows_of, secret, text, texts

_KEYS: Final = ("id", "label", "issuer", "client_id", "client_secret_file", "scopes", "groups_claim", "roles")
_ROLE_KEYS: Final = ("group", "claim", "value", "role", "labels")
_ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def parse_oidc(value: object, base: Path) -> tuple[ProviderSettings, ...]:
    """The providers; files are below ``base`` unless absolute. Raises ValueError; no secret is repeated in it."""
    rows = rows_of(value, "write each as [[oidc]] with id, issuer, client_id and roles")
    providers = tuple(_provider(row, base) for row in rows)
    if len({one.provider_id for one in providers}) != len(providers):
        raise ValueError("two of [[oidc]] have the same id")
    return providers


def _provider(row: Row, base: Path) -> ProviderSettings:
    provider_id = row.get("id")
    if not isinstance(provider_id, str) or not _ID.fullmatch(provider_id):
        raise ValueError('each of [[oidc]] has an id of small letters, digits and "-", such as "corp"')
    try:
        refuse_unknown(row, _KEYS, "[[oidc]]")
        return ProviderSettings(
            provider_id,
            text(row, "label", provider_id),
            _issuer(text(row, "issuer")),
            text(row, "client_id"),
            secret(row, "client_secret_file", base) if "client_secret_file" in row else None,
            _scopes(row),
            _rules(row),
        )
    except ValueError as error:
        raise ValueError(f"{provider_id}: {error}") from None


def _issuer(url: str) -> str:
    parts = urlsplit(url)
    if not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f'issuer: {url!r} is no issuer; write it as the provider does: "https://sso.example.org"')
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError(f"issuer: {url!r} is not https, so whoever is on the way could sign in as anybody")
    return url


def _scopes(row: Row) -> tuple[str, ...]:
    scopes = texts(row, "scopes") or ("openid", "profile", "email")
    if "openid" not in scopes:
        raise ValueError('scopes: "openid" must be one of them, or there is no ID token')
    return scopes


def _rules(row: Row) -> tuple[RoleRule, ...]:
    rows = row.get("roles")
    if not isinstance(rows, list) or not rows or not all(isinstance(one, dict) for one in rows):
        raise ValueError("it has no roles, so nobody could do anything: write [[oidc.roles]] with group and role")
    groups_claim = text(row, "groups_claim", "groups")
    return tuple(_rule(one, groups_claim) for one in rows)


def _rule(row: Row, groups_claim: str) -> RoleRule:
    refuse_unknown(row, _ROLE_KEYS, "[[oidc.roles]]")
    if ("group" in row) == ("claim" in row):
        raise ValueError("each of [[oidc.roles]] has a group, or a claim and a value")
    if "group" in row:
        claim, value = groups_claim, text(row, "group")
    else:
        claim, value = text(row, "claim"), text(row, "value")
    try:
        role = Role(row.get("role"))
    except ValueError:
        raise ValueError(f"role: {row.get('role')!r} is none of viewer, approver, admin") from None
    try:
        return RoleRule(claim, value, role, parse_labels(texts(row, "labels")))
    except BadLabel as error:
        raise ValueError(f"labels: {error}") from None
