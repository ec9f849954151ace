"""Where the people and their sessions live. Passwords are argon2 hashes, sessions are digests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from bootgrant.approval.operators import Kind, Label, Role


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
