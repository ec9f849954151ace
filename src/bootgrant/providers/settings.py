"""What a site says of one outside provider (``[[providers]]``)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bootgrant.approval.claims import OutsideRule
from bootgrant.wire.secret import Secret

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with a public key (RFC 7518, RFC 8037). ``none`` and shared secrets (HS256) are never accepted."""


def is_safe_url(text: str) -> bool:
    """Whether keys and tokens may go over this URL: https, or http to this computer itself."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    return bool(parts.hostname) and parts.username is None and (parts.scheme == "https" or local)


class Check(Enum):
    """How a token is checked."""

    JWT = "jwt"
    INTROSPECTION = "introspection"
    USERINFO = "userinfo"


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Times are seconds. An endpoint that is empty is read from the issuer's metadata (RFC 8414, OpenID Discovery).

    ``audiences``, ``scopes`` and ``client_ids`` are what a token must have been given out for: one of the audiences,
    all of the scopes, one of the clients; empty: not looked at. ``id_token``: OpenID's ID tokens are accepted, for one
    of ``client_ids``. ``leeway`` is how far the provider's clock may be off; ``keys_kept`` how long its keys, once
    fetched, serve while it cannot be reached.
    """

    name: str
    issuer: str
    check: Check
    rules: tuple[OutsideRule, ...]
    audiences: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    client_ids: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ALGORITHMS
    id_token: bool = False
    jwks_url: str = ""
    introspection_url: str = ""
    userinfo_url: str = ""
    client_id: str = ""
    client_secret: Secret | None = None
    ca_file: Path | None = None
    leeway: float = 60.0
    keys_kept: float = 24 * 3600.0
    timeout: float = 5.0
