"""Outside identity providers: people who sign in at one, and tokens of one that machines bring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from bootgrant.approval.claims import Claims, OutsideRule, Person, RoleRule
from bootgrant.ports.status import Health
from bootgrant.wire.secret import Secret


class ProviderUnavailable(Exception):
    """The provider cannot be used now. The text is for the log; ``reason`` is what a machine's console may show."""

    reason = "provider down, retrying"


class ProviderWrong(ProviderUnavailable):
    """The provider answers, but the answer cannot be accepted, now or later, until someone corrects a setting.

    ``said`` is what the provider itself gave as the reason (``error: error_description``), as one printable line of at
    most 300 characters that a page may show; empty without one.
    """

    reason = "provider misconfigured: see log"

    def __init__(self, message: str, said: str = "") -> None:
        super().__init__(message)
        self.said = said


@dataclass(frozen=True, slots=True)
class Request:
    """The values of one sign-in, which must come back with it. ``again``: the person must prove again who they are."""

    redirect_uri: str
    state: str
    nonce: str
    verifier: Secret
    again: bool = False


@dataclass(frozen=True, slots=True)
class ProviderPerson:
    """The person who signed in: verified claims, and the ID token that they came in.

    ``left_out`` explains, by the name of the claim, why the provider did not send a claim that a rule needs: such a
    claim is unknown, not empty. ``session_id`` is the provider's own name of its session (sid), empty without one.
    ``renewal`` is the refresh token, None without one.
    """

    issuer: str
    subject: str
    claims: Claims
    id_token: Secret
    authenticated_at: float | None
    left_out: Mapping[str, str] = field(default_factory=dict)
    session_id: str = ""
    renewal: Renewed | None = None


@dataclass(frozen=True, slots=True)
class Logout:
    """A logout token that was checked (OpenID Connect Back-Channel Logout section 2.4): whose session ended.

    At least one of ``subject`` (sub) and ``session_id`` (sid) is not empty. ``token_id`` (jti) is the token's own name;
    it was issued and expires at these Unix seconds.
    """

    subject: str
    session_id: str
    token_id: str
    issued_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class LogoutRefused:
    """A logout token that is not accepted. ``reason`` names what arrived and what was expected, without secrets."""

    reason: str


class Cause(Enum):
    """Why a provider gives no new tokens for a refresh token, as far as its answer says."""

    LEFT = "left"
    """The account is disabled or was removed."""
    ENDED = "ended"
    """The session does not exist any more. Some providers answer the same when it only expired."""
    UNCLEAR = "unclear"
    """Anything else, such as a refresh token that has expired or was used twice."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """The provider's session continues. ``refresh_token`` is the one to use next.

    ``expires_at`` is until when it can be used (Unix seconds), None when the provider does not say.
    """

    refresh_token: Secret
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class Ended:
    """The provider's session does not continue. ``reason`` is the provider's error, for the log and the audit."""

    cause: Cause
    reason: str


class IdentityProvider(Protocol):
    """A provider at which people sign in. Every coroutine may raise ProviderUnavailable."""

    @property
    def provider_id(self) -> str:
        """The id in bootgrant.toml and in addresses."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that are asked for."""

    @property
    def role_grace(self) -> float:
        """Seconds for which the last known role holds while the claims that decide about it do not come."""

    @property
    def label(self) -> str:
        """The text of the button."""

    def health(self) -> Health:
        """Return how the last request to it ended."""

    @property
    def issuer(self) -> str: ...

    @property
    def rules(self) -> tuple[RoleRule, ...]: ...

    @property
    def check_every(self) -> float:
        """The seconds after which the provider is asked again whether a session continues; 0.0 for never."""

    async def ask(self, request: Request) -> str:
        """Return where to send the browser (OpenID Connect Core section 3.1.2.1, PKCE as in RFC 7636)."""

    async def person(self, request: Request, code: str, issuer: str) -> ProviderPerson:
        """Exchange the code and check the ID token. ``issuer`` is the one in the answer (RFC 9207), or empty."""

    async def logout(self, token: Secret) -> Logout | LogoutRefused:
        """Check a logout token that arrived at this provider's logout address (Back-Channel Logout section 2.6)."""

    async def renew(self, refresh_token: Secret) -> Renewed | Ended:
        """Ask whether the session of a refresh token continues, by using it (RFC 6749 section 6)."""

    async def sign_out_url(self, id_token: Secret | None, back: str) -> str | None:
        """Return where the browser ends its session at the provider (RP-Initiated Logout), or None if it cannot."""


class Sealing(Protocol):
    """Encryption with a key that only a secret of its owner yields: the cookie of a session, or an access token."""

    def seal(self, secret: Secret, text: str) -> str:
        """Encrypt ``text`` for the database."""

    def unseal(self, secret: Secret, sealed: str) -> Secret | None:
        """Return the text, or None if ``sealed`` is empty or was sealed with another secret."""


class TokenRefusal(Enum):
    """Why a token is not accepted; the value is what the machine's console shows, at most 32 bytes of ASCII."""

    UNKNOWN = "token unknown: ask again"
    EXPIRED = "token expired: ask again"
    EARLY = "token from the future: clocks?"
    AUDIENCE = "token is for another audience"
    CLIENT = "token is of another client"
    SCOPE = "token lacks the scope needed"
    LEFT_OUT = "claims left out: see server log"
    INVALID = "token invalid: see server log"


@dataclass(frozen=True, slots=True)
class Verified:
    """An accepted token: who approved, and the rules of its provider."""

    person: Person
    rules: tuple[OutsideRule, ...]


class TokenVerifier(Protocol):
    async def verify(self, token: Secret) -> Verified | TokenRefusal:
        """Check a token with the provider that issued it. Raise ProviderUnavailable."""
