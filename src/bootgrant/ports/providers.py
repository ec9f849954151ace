"""Outside identity providers: who signed in at one, and whose token a machine brings."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from bootgrant.approval.claims import Claims, OutsideRule, Person, RoleRule
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
class ProviderPerson:
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

    async def person(self, request: Request, code: str, issuer: str) -> ProviderPerson:
        """Exchange the code, check the ID token. ``issuer`` is the answer's own (RFC 9207), empty for none."""

    async def sign_out_url(self, id_token: Secret | None, back: str) -> str | None:
        """Where the browser ends its session at the provider (RP-Initiated Logout); None where it cannot."""


class Sealing(Protocol):
    """Encryption with a key that only the cookie of a session yields."""

    def seal(self, session: Secret, text: str) -> str:
        """Encrypt ``text`` for the database."""

    def unseal(self, session: Secret, sealed: str) -> Secret | None:
        """Return the text, or None if ``sealed`` is empty or was sealed with another session."""


class TokenRefusal(Enum):
    """Why a token is not accepted; the value is what the machine's console shows, at most 32 bytes of ASCII."""

    UNKNOWN = "token unknown: ask again"
    EXPIRED = "token expired: ask again"
    EARLY = "token from the future: clocks?"
    AUDIENCE = "token is for another audience"
    CLIENT = "token is of another client"
    SCOPE = "token lacks the scope needed"
    INVALID = "token invalid: see server log"


class ProviderUnavailable(Exception):
    """The provider cannot be asked now. The text is for the log; ``reason`` is what the console may show."""

    reason = "provider down, retrying"


@dataclass(frozen=True, slots=True)
class Verified:
    """A good token: who approved, and the rules of the provider it is from."""

    person: Person
    rules: tuple[OutsideRule, ...]


class TokenVerifier(Protocol):
    async def verify(self, token: Secret) -> Verified | TokenRefusal:
        """What the provider says. Raises ProviderUnavailable."""
