"""``[[oidc]]`` of bootgrant.toml: the providers whose people may sign in, and what they may do here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from bootgrant.approval.claims import RoleRule
from bootgrant.approval.operators import BadLabel, Role, parse_labels
from bootgrant.ports.identity_provider import ProviderSettings
from bootgrant.wire.secret import Secret

_KEYS: Final = ("id", "label", "issuer", "client_id", "client_secret_file", "scopes", "groups_claim", "roles")
_ROLE_KEYS: Final = ("group", "claim", "value", "role", "labels")
_ID: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
Row = Mapping[str, Any]


def parse_oidc(value: object, base: Path) -> tuple[ProviderSettings, ...]:
    """The providers; files are below ``base`` unless absolute. Raises ValueError; no secret is repeated in it."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(row, dict) for row in value):
        raise ValueError("write each as [[oidc]] with id, issuer, client_id and roles")
    providers = tuple(_provider(row, base) for row in value)
    if len({one.provider_id for one in providers}) != len(providers):
        raise ValueError("two of [[oidc]] have the same id")
    return providers


def _provider(row: Row, base: Path) -> ProviderSettings:
    provider_id = row.get("id")
    if not isinstance(provider_id, str) or not _ID.fullmatch(provider_id):
        raise ValueError('each of [[oidc]] has an id of small letters, digits and "-", such as "corp"')
    try:
        _only(row, _KEYS, "[[oidc]]")
        return ProviderSettings(
            provider_id,
            _text(row, "label", provider_id),
            _issuer(_text(row, "issuer")),
            _text(row, "client_id"),
            _secret(row, base),
            _scopes(row),
            _rules(row),
        )
    except ValueError as error:
        raise ValueError(f"{provider_id}: {error}") from None


def _issuer(text: str) -> str:
    parts = urlsplit(text)
    if not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f'issuer: {text!r} is no issuer; write it as the provider does: "https://sso.example.org"')
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError(f"issuer: {text!r} is not https, so whoever is on the way could sign in as anybody")
    return text


def _secret(row: Row, base: Path) -> Secret | None:
    if "client_secret_file" not in row:
        return None
    path = base / Path(_text(row, "client_secret_file")).expanduser()
    try:
        secret = path.read_text("utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"client_secret_file: {path} cannot be read: {error}") from None
    if not secret:
        raise ValueError(f"client_secret_file: the first line of {path} is empty")
    return Secret(secret)


def _scopes(row: Row) -> tuple[str, ...]:
    scopes = _texts(row, "scopes") if "scopes" in row else ("openid", "profile", "email")
    if "openid" not in scopes:
        raise ValueError('scopes: "openid" must be one of them, or there is no ID token')
    return scopes


def _rules(row: Row) -> tuple[RoleRule, ...]:
    rows = row.get("roles")
    if not isinstance(rows, list) or not rows or not all(isinstance(one, dict) for one in rows):
        raise ValueError("it has no roles, so nobody could do anything: write [[oidc.roles]] with group and role")
    groups_claim = _text(row, "groups_claim", "groups")
    return tuple(_rule(one, groups_claim) for one in rows)


def _rule(row: Row, groups_claim: str) -> RoleRule:
    _only(row, _ROLE_KEYS, "[[oidc.roles]]")
    if ("group" in row) == ("claim" in row):
        raise ValueError("each of [[oidc.roles]] has a group, or a claim and a value")
    if "group" in row:
        claim, value = groups_claim, _text(row, "group")
    else:
        claim, value = _text(row, "claim"), _text(row, "value")
    try:
        role = Role(row.get("role"))
    except ValueError:
        raise ValueError(f"role: {row.get('role')!r} is none of viewer, approver, admin") from None
    try:
        return RoleRule(claim, value, role, parse_labels(_texts(row, "labels") if "labels" in row else ()))
    except BadLabel as error:
        raise ValueError(f"labels: {error}") from None


def _only(row: Row, known: tuple[str, ...], what: str) -> None:
    if unknown := sorted(set(row) - set(known)):
        raise ValueError(f"{what} has no {unknown[0]!r}; it has {', '.join(known)}")


def _text(row: Row, key: str, default: str | None = None) -> str:
    value = row.get(key, default)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{key}: expected a text")
    return value


def _texts(row: Row, key: str) -> tuple[str, ...]:
    value = row[key]
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ValueError(f"{key}: expected a list of texts")
    return tuple(value)
