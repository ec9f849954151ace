"""People and what they sign in with: operators, sessions, passwords, passkeys, tokens for programs.

Stores keep digests and hashes, never a password, a token or a session in clear.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from bootgrant.approval.operators import Kind, Label, Role
from bootgrant.wire.secret import Secret


@dataclass(frozen=True, slots=True, repr=False)
class Operator:
    """A person who may sign in. Times are Unix seconds.

    ``password_hash`` is empty for who has no password; ``issuer`` and ``subject`` are set for kind OIDC alone and name
    the person for good (OpenID Connect Core section 2, iss and sub), whatever they call themselves.
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


class Stage(Enum):
    """How far a sign-in is. Only FULL opens the pages; the others live minutes."""

    FULL = "full"
    SECOND_FACTOR = "second factor"
    """The password was right; a passkey is still to be shown."""
    ENROLMENT = "enrolment"
    """The password was right; a first passkey is still to be registered."""


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of one operator, known by its digest. Times are Unix seconds.

    ``authenticated_at`` is when the person last proved who they are; ``via`` is as in approval.operators.Actor.
    ``sealed`` is the provider's ID token, encrypted with a key that only the browser's cookie gives; empty for none.
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


class OperatorStore(Protocol):
    """Every method may raise StoreUnavailable (ports.grant_store)."""

    async def add_operator(self, operator: Operator) -> bool:
        """Add somebody new. False when the name, or the issuer's subject, is there already."""

    async def operators(self) -> Sequence[Operator]:
        """Everybody, by name."""

    async def find_operator(self, name: str) -> Operator | None: ...

    async def find_subject(self, issuer: str, subject: str) -> Operator | None:
        """The operator of an OIDC provider's subject."""

    async def set_rights(self, name: str, role: Role, labels: tuple[Label, ...]) -> bool:
        """Another role and other limits, from the next request on. False when there is nobody of this name."""

    async def set_disabled(self, name: str, at: float | None) -> bool:
        """Shut somebody out and end their sessions, or (None) let them in again. False: nobody of this name."""

    async def set_password(self, name: str, password_hash: str) -> bool:
        """Another password (empty: none); ends their sessions. False when there is nobody of this name."""

    async def open_session(self, session: Session) -> None:
        """Begin a session; its operator was seen at that moment. One that is there already stays as it is."""

    async def find_session(self, digest: bytes) -> tuple[Session, Operator] | None: ...

    async def sessions_of(self, name: str) -> Sequence[Session]:
        """All of one person's, the newest first."""

    async def touch_session(self, digest: bytes, seen_at: float) -> None:
        """The session, and so its operator, was seen."""

    async def end_session(self, digest: bytes) -> None: ...

    async def end_sessions_before(self, created_at: float, seen_at: float) -> None:
        """Forget the sessions made before ``created_at`` or last seen before ``seen_at``."""


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What is known of a token. Times are Unix seconds; ``created_by`` is an Actor as a text.

    ``owner`` is the operator whose it is; empty for a program's that belongs to nobody.
    """

    name: str
    digest: bytes
    role: Role
    labels: tuple[Label, ...]
    created_at: float
    created_by: str
    expires_at: float
    used_at: float | None = None
    owner: str = ""


class ApiTokenStore(Protocol):
    """Every method may raise StoreUnavailable (ports.grant_store)."""

    async def add_token(self, token: ApiToken) -> bool:
        """False when there is a token of this name."""

    async def tokens(self) -> Sequence[ApiToken]:
        """All of them, expired ones too, by name."""

    async def find_token(self, digest: bytes) -> ApiToken | None: ...

    async def touch_token(self, digest: bytes, used_at: float) -> None: ...

    async def remove_token(self, name: str) -> bool:
        """Forget a token: it opens nothing any more. False when there is none of this name."""


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey of one operator. Times are Unix seconds.

    ``handle`` is the random user handle that it was made for (WebAuthn section 5.4.3); all passkeys of one operator
    have the same. ``public_key`` is COSE as the authenticator gave it; ``sign_count`` is the last one it showed.
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
    """Every method may raise StoreUnavailable (ports.grant_store)."""

    async def add_passkey(self, passkey: Passkey) -> bool:
        """False when this credential is registered already, whoever has it."""

    async def passkeys_of(self, operator: str) -> Sequence[Passkey]:
        """One person's, the oldest first."""

    async def find_passkey(self, credential_id: bytes) -> tuple[Passkey, Operator] | None: ...

    async def use_passkey(self, passkey: Passkey, sign_count: int, used_at: float) -> bool:
        """It was used, with this new count. False when its count is no longer the one in ``passkey``."""

    async def remove_passkey(self, operator: str, credential_id: bytes) -> bool:
        """Forget one passkey of this operator. False when they have no such."""

    async def remove_passkeys(self, operator: str) -> None:
        """Forget all passkeys of an operator."""


@dataclass(frozen=True, slots=True)
class PasskeyAssertion:
    """What an answer claims before it is checked. ``handle`` is empty when the authenticator told none."""

    challenge: bytes
    credential_id: bytes
    handle: bytes


@dataclass(frozen=True, slots=True)
class NewCredential:
    """A credential whose registration was checked."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


class PasskeyCeremony(Protocol):
    """Options and answers are JSON as in WebAuthn Level 3 (PublicKeyCredential…OptionsJSON, …ResponseJSON)."""

    def creation_options(self, challenge: bytes, handle: bytes, name: str, known: Sequence[bytes]) -> str:
        """Options to make a passkey for ``name``; authenticators that have one of ``known`` refuse."""

    def request_options(self, challenge: bytes, known: Sequence[bytes], *, verified: bool) -> str:
        """Options to show one of ``known``, or (none) any that the authenticator finds for this site.

        ``verified``: the authenticator must know its user (a PIN, a finger), not only that somebody touched it.
        """

    def challenge_of(self, answer: str) -> bytes | None:
        """The challenge that an answer is to; None for what is no answer."""

    def verify_creation(self, answer: str, challenge: bytes) -> NewCredential | None:
        """The new credential; None when the answer is wrong (WebAuthn section 7.1)."""

    def read_assertion(self, answer: str) -> PasskeyAssertion | None:
        """What the answer claims; None for what is no answer."""

    def verify_assertion(self, answer: str, challenge: bytes, passkey: Passkey, *, verified: bool) -> int | None:
        """The authenticator's new count; None when the answer is wrong or the count went back (section 7.2)."""


class Purpose(Enum):
    """What an answer to the challenge is good for, and for nothing else."""

    REGISTER = "register"
    SIGN_IN = "sign-in"
    SECOND_FACTOR = "second factor"
    AGAIN = "again"
    OIDC = "oidc"


@dataclass(frozen=True, slots=True)
class Challenge:
    """``about`` is what the answer must fit: the session it was made for, or the provider and where to go then."""

    digest: bytes
    purpose: Purpose
    about: str
    expires_at: float


class ChallengeStore(Protocol):
    """Every method may raise StoreUnavailable (ports.grant_store)."""

    async def put_challenge(self, challenge: Challenge, now: float) -> None:
        """Remember it until it is taken or expires; forget those that have expired at ``now``."""

    async def take_challenge(self, digest: bytes, purpose: Purpose, now: float) -> str | None:
        """The ``about`` of a challenge that waits; it is used up by that. None for every other."""


class PasswordHasher(Protocol):
    """Both take their time (tens of milliseconds) and leave the event loop free meanwhile."""

    async def hash(self, password: Secret) -> str:
        """A salted hash, with its parameters in it."""

    async def verify(self, password_hash: str, password: Secret) -> bool:
        """Whether the password has this hash. Raises ValueError when ``password_hash`` is no hash of this hasher."""
