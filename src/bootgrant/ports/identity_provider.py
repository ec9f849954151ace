"""An OpenID provider, as a sign-in asks it: where to send the browser, and who came back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bootgrant.approval.claims import Claims, RoleRule
from bootgrant.wire.secret import Secret


class ProviderDown(Exception):
    """The provider does not answer; the text is for the log."""


class ProviderWrong(Exception):
    """The provider, or what came with the browser, cannot be trusted; the text is for the log."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One of ``[[oidc]]``. Without ``secret`` the client is a public one."""

    provider_id: str
    label: str
    issuer: str
    client_id: str
    secret: Secret | None
    scopes: tuple[str, ...]
    rules: tuple[RoleRule, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What one sign-in sends along, and must find again. ``again``: the person must prove who they are anew."""

    redirect_uri: str
    state: str
    nonce: str
    verifier: Secret
    again: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """Who the provider says came: claims that were checked, and the ID token that they came in."""

    issuer: str
    subject: str
    claims: Claims
    id_token: Secret
    authenticated_at: float | None


class IdentityProvider(Protocol):
    """Every method that is awaited may raise ProviderDown and ProviderWrong."""

    @property
    def provider_id(self) -> str:
        """The name in bootgrant.toml and in addresses."""

    @property
    def label(self) -> str:
        """What the button says."""

    @property
    def rules(self) -> tuple[RoleRule, ...]: ...

    async def ask(self, request: Request) -> str:
        """Where to send the browser (OpenID Connect Core section 3.1.2.1, PKCE as in RFC 7636)."""

    async def person(self, request: Request, code: str, issuer: str) -> Person:
        """Exchange the code, check the ID token. ``issuer`` is the answer's own (RFC 9207), empty for none."""

    async def sign_out_url(self, id_token: Secret | None, back: str) -> str | None:
        """Where the browser ends its session at the provider (RP-Initiated Logout); None where it cannot."""
