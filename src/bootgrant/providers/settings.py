"""The settings of one outside provider: where people sign in, and whose tokens machines may bring."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bootgrant.approval.claims import OutsideRule, RoleRule
from bootgrant.wire.secret import Secret

ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip
"""Public-key signatures (RFC 7518, RFC 8037, RFC 9864). ``none`` and shared secrets (HS256) are never accepted."""


def is_safe_url(text: str) -> bool:
    """Return whether keys and tokens may travel over this URL: https, or http to this computer."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    is_local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    return bool(parts.hostname) and parts.username is None and (parts.scheme == "https" or is_local)


@dataclass(frozen=True, slots=True)
class SignInProvider:
    """One of ``[[oidc]]``. Without ``secret`` the client is a public one. ``role_grace`` is in seconds.

    ``check_every`` is the seconds after which the provider is asked again whether a session continues; 0.0 for never.
    """

    provider_id: str
    label: str
    issuer: str
    client_id: str
    secret: Secret | None
    scopes: tuple[str, ...]
    rules: tuple[RoleRule, ...]
    role_grace: float = 0.0
    check_every: float = 0.0


class Check(Enum):
    """How a token is checked."""

    JWT = "jwt"
    INTROSPECTION = "introspection"
    USERINFO = "userinfo"


@dataclass(frozen=True, slots=True)
class TokenProvider:
    """One of ``[[providers]]``. Times are seconds. An empty endpoint is taken from the issuer's metadata.

    A token must be for one of ``audiences``, have all ``scopes``, and be issued to one of ``client_ids``; an empty
    tuple allows any. With ``id_token``, ID tokens for one of ``client_ids`` are accepted too. ``leeway`` is how far
    the provider's clock may be off. ``keys_kept`` is how long the last keys are used while it is unreachable.
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

    @property
    def wanted_audiences(self) -> tuple[str, ...]:
        """The audiences of which an access token must name one; none allows any.

        With ``id_token`` and without audiences, it must name one of the clients: an access token that a client got for
        another service must not be accepted here.
        """
        return self.audiences or (self.client_ids if self.id_token else ())
