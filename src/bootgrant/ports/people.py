"""People and what they sign in with: operators, sessions, passwords, passkeys, API tokens.

Stores keep digests and hashes, never a password, token or session itself. Store methods may raise StoreUnavailable
(ports.grants). Times are Unix seconds. A change with an event appends it to the audit in its own transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.operators import Kind, Label, Role
from bootgrant.approval.role_grace import Confirmed
from bootgrant.wire.secret import Secret

BY_PROVIDER: Final = "provider"
"""Who disabled an operator: the provider, at which the account was disabled or removed."""


@dataclass(frozen=True, slots=True, repr=False)
class Operator:
    """A person who may sign in.

    ``password_hash`` is empty for an operator without a password. ``issuer`` and ``subject`` (OpenID Connect Core
    section 2, iss and sub) identify an operator of kind OIDC, whatever name they use. ``disabled_by`` is BY_PROVIDER
    when the provider said that the person left, and empty when an admin disabled them.
    """

    name: str
    password_hash: str
    created_at: float
    role: Role
    labels: tuple[Label, ...] = ()
    kind: Kind = Kind.LOCAL
    disabled_at: float | None = None
    seen_at: float | None = None
    issuer: str = ""
    subject: str = ""
    disabled_by: str = ""


class Stage(Enum):
    """How far a sign-in has got. Only FULL opens the pages; the other stages expire after minutes."""

    FULL = "full"
    SECOND_FACTOR = "second factor"
    """The password was right; a passkey is still required."""
    ENROLMENT = "enrolment"
    """The password was right; a first passkey must be registered."""


@dataclass(frozen=True, slots=True)
class AtProvider:
    """The provider's session that a session here belongs to.

    ``session_id`` is its name (sid); empty when the provider gave none. ``renewal`` is its refresh token, sealed with a
    key of the server; empty for none. ``renewal_until`` is until when the token can be used (Unix seconds), None when
    the provider did not say.
    """

    session_id: str = ""
    renewal: str = ""
    renewal_until: float | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of one operator.

    ``authenticated_at`` is when the person last proved who they are; ``via`` is as in approval.operators.Author.
    ``sealed`` is the provider's ID token, encrypted with a key that only the browser's cookie yields; empty for none.
    ``provider_session``, ``renewal`` and ``renewal_until`` are those of AtProvider. ``checked_at`` is when the provider
    last said that its session continues; the sign-in was the first time.
    """

    digest: bytes
    operator: str
    created_at: float
    seen_at: float
    authenticated_at: float
    via: str
    stage: Stage = Stage.FULL
    address: str = ""
    browser: str = ""
    sealed: str = ""
    provider_session: str = ""
    renewal: str = ""
    renewal_until: float | None = None
    checked_at: float = 0.0


AuditOfOperator = Callable[[Operator], AuditEvent]
"""Makes the event of a change from the operator as they were before it."""

AuditOfSession = Callable[[Session], AuditEvent]
"""Makes the event of an ended session."""


class OperatorStore(Protocol):
    async def add_operator(self, operator: Operator, audit: AuditEvent | None = None) -> bool:
        """Add an operator. Return False when the name, or the issuer's subject, exists already."""

    async def operators(self) -> Sequence[Operator]:
        """Return all operators by name."""

    async def find_operator(self, name: str) -> Operator | None: ...

    async def find_subject(self, issuer: str, subject: str) -> Operator | None:
        """Return the operator with this subject at an OIDC provider."""

    async def confirmed(self, name: str) -> Confirmed | None:
        """Return which claims last gave the operator their rights; None if none did, or it is not known."""

    async def set_confirmed(self, name: str, confirmed: Confirmed | None) -> None:
        """Store which claims gave the operator their rights at a sign-in, or (None) that no claims do."""

    async def set_rights(
        self, name: str, role: Role, labels: tuple[Label, ...], audit: AuditOfOperator | None = None
    ) -> bool:
        """Change role and limits, from the next request on. Return False when no operator has this name."""

    async def set_disabled(
        self, name: str, at: float | None, audit: AuditOfOperator | None = None, by: str = ""
    ) -> bool:
        """Disable an operator, end their sessions and remove their devices (ports.push), or (None) enable them.

        Return False when none has this name.

        ``by`` is BY_PROVIDER or empty (an admin). For the provider, it changes nothing for an operator whom an admin
        disabled, and returns False.
        """

    async def set_password(self, name: str, password_hash: str, audit: AuditOfOperator | None = None) -> bool:
        """Change the password (empty: none) and end their sessions. Return False when no operator has this name."""

    async def open_session(self, session: Session) -> None:
        """Store a session, and that its operator was seen. An existing one stays as it is."""

    async def find_session(self, digest: bytes) -> tuple[Session, Operator] | None: ...

    async def sessions_of(self, name: str) -> Sequence[Session]:
        """Return the sessions of an operator, newest first."""

    async def sessions_at(self, issuer: str, provider_session: str) -> Sequence[Session]:
        """Return the sessions of operators of this issuer that began in its session of this name (sid)."""

    async def touch_session(self, digest: bytes, seen_at: float) -> None:
        """Store when the session, and so its operator, was last seen."""

    async def end_session(self, digest: bytes, audit: AuditOfSession | None = None) -> bool:
        """Delete a session. Return False when there is none with this digest."""

    async def end_sessions_before(self, created_at: float, seen_at: float) -> None:
        """Delete the sessions that began before ``created_at`` or were last seen before ``seen_at``."""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """An API token. ``owner`` is the operator who answers for it, empty for none; ``created_by`` is a display text."""

    name: str
    digest: bytes
    role: Role
    labels: tuple[Label, ...]
    created_at: float
    created_by: str
    expires_at: float
    used_at: float | None = None
    owner: str = ""


AuditOfToken = Callable[[ApiToken], AuditEvent]
"""Makes the event of a deleted token from the token as it was."""


class ApiTokenStore(Protocol):
    async def add_token(self, token: ApiToken, audit: AuditEvent | None = None) -> bool:
        """Add a token. Return False when a token has this name."""

    async def tokens(self) -> Sequence[ApiToken]:
        """Return all tokens by name, including expired ones."""

    async def find_token(self, digest: bytes) -> ApiToken | None: ...

    async def touch_token(self, digest: bytes, used_at: float) -> None: ...

    async def remove_token(self, name: str, audit: AuditOfToken | None = None) -> bool:
        """Delete a token. Return False when none has this name."""


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey of one operator.

    ``handle`` is the random user handle that it was created for (WebAuthn section 5.4.3), the same for all passkeys of
    one operator. ``public_key`` is COSE as the authenticator sent it; ``sign_count`` is the last one it sent.
    """

    credential_id: bytes
    operator: str
    handle: bytes
    public_key: bytes
    sign_count: int
    name: str
    created_at: float
    used_at: float | None = None


class PasskeyStore(Protocol):
    async def add_passkey(self, passkey: Passkey) -> bool:
        """Add a passkey. Return False when this credential is registered already, by any operator."""

    async def passkeys_of(self, operator: str) -> Sequence[Passkey]:
        """Return the passkeys of an operator, oldest first."""

    async def find_passkey(self, credential_id: bytes) -> tuple[Passkey, Operator] | None: ...

    async def use_passkey(self, passkey: Passkey, sign_count: int, used_at: float) -> bool:
        """Store a use with its new count. Return False when the stored count is not the one in ``passkey``."""

    async def remove_passkey(self, operator: str, credential_id: bytes) -> bool:
        """Delete a passkey of this operator. Return False when they do not have it."""

    async def remove_passkeys(self, operator: str) -> None:
        """Delete all passkeys of an operator."""


@dataclass(frozen=True, slots=True)
class PasskeyAssertion:
    """What a browser's answer claims, before it is verified. ``handle`` is empty when the authenticator sent none."""

    challenge: bytes
    credential_id: bytes
    handle: bytes


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential whose registration was verified."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


class PasskeyFlaw(Enum):
    """Why an answer of a browser was refused, after the challenge in it was found to be ours."""

    WRONG = "wrong"
    CROSS_ORIGIN = "cross-origin"
    WEAK_KEY = "weak key"


class PasskeyCeremony(Protocol):
    """Options and answers are JSON as in WebAuthn Level 3 (PublicKeyCredential…OptionsJSON, …ResponseJSON)."""

    def creation_options(self, challenge: bytes, handle: bytes, name: str, known: Sequence[bytes]) -> str:
        """Return options to create a passkey for ``name``; an authenticator that has one of ``known`` refuses."""

    def request_options(self, challenge: bytes, known: Sequence[bytes], *, verified: bool) -> str:
        """Return options to use one of ``known``, or without any, one that the authenticator finds for this site.

        ``verified``: the authenticator must verify its user (a PIN, a fingerprint), not only that it was touched.
        """

    def challenge_of(self, answer: str) -> bytes | None:
        """Return the challenge that is answered; None when ``answer`` is not valid JSON of that form."""

    def verify_creation(self, answer: str, challenge: bytes) -> NewCredential | PasskeyFlaw:
        """Return the new credential, or what is wrong with the answer (WebAuthn section 7.1)."""

    def read_assertion(self, answer: str) -> PasskeyAssertion | None:
        """Return what the answer claims; None when ``answer`` is not valid JSON of that form."""

    def verify_assertion(self, answer: str, challenge: bytes, passkey: Passkey, *, verified: bool) -> int | PasskeyFlaw:
        """Return the authenticator's new count, or what is wrong with the answer (section 7.2).

        A count that went back is wrong.
        """


class Purpose(Enum):
    """The only purpose that an answer to a challenge is accepted for."""

    REGISTER = "register"
    SIGN_IN = "sign-in"
    SECOND_FACTOR = "second factor"
    AGAIN = "again"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class Challenge:
    """An open challenge. ``about`` is what it was made for: a session, or a provider and where to go afterwards."""

    digest: bytes
    purpose: Purpose
    about: str
    expires_at: float


class ChallengeStore(Protocol):
    async def put_challenge(self, challenge: Challenge, now: float) -> None:
        """Store it until it is taken or expires; delete those that have expired at ``now``."""

    async def take_challenge(self, digest: bytes, purpose: Purpose, now: float) -> str | None:
        """Use up an open challenge and return its ``about``; None when there is none."""


class PasswordHasher(Protocol):
    """Both methods take tens of milliseconds, without blocking the event loop."""

    async def hash(self, password: Secret) -> str:
        """Return a salted hash that contains its parameters."""

    async def verify(self, password_hash: str, password: Secret) -> bool:
        """Return whether the password has this hash. Raises ValueError for a hash of another form."""
