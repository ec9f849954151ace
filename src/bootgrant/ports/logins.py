"""Logins of command lines that wait for a person (RFC 8628). All servers of a site share them.

Every store method may raise StoreUnavailable (ports.grants). Times are Unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from bootgrant.approval.operators import Label, Role

KEPT_AFTER_EXPIRY: Final = 600.0
"""Seconds for which an expired login is kept, so that its command line gets the right error."""
TAKEN_WITHIN: Final = 60.0
"""Seconds within which a command line must take a decision. A person who notices a mistake finds the token by then."""


@dataclass(frozen=True, slots=True, repr=False)
class PendingLogin:
    """What a command line asks for. ``host`` and ``user`` are its own words; ``address`` is where it asked from.

    ``role``, ``labels`` and ``seconds`` are the wishes for the token; a person decides.
    """

    secret_digest: bytes
    code_digest: bytes
    host: str
    user: str
    address: str
    created_at: float
    expires_at: float
    role: Role
    labels: tuple[Label, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Consent:
    """The token that ``operator`` lets a command line have. ``via`` is how they signed in."""

    operator: str
    via: str
    role: Role
    labels: tuple[Label, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class DecidedLogin:
    """A login that was approved, or (without consent) denied."""

    login: PendingLogin
    consent: Consent | None


class Unfinished(Enum):
    """Why a login has no result."""

    WAITING = "waiting"
    EXPIRED = "expired"


class LoginStore(Protocol):
    async def add_login(self, login: PendingLogin, now: float, most: int) -> bool:
        """Add a login, and forget those that expired long ago.

        Return False when another one has this code, or when there are ``most`` already.
        """

    async def find_login(self, code_digest: bytes, now: float) -> PendingLogin | None:
        """Return the login with this code while it waits for a person."""

    async def decide_login(self, code_digest: bytes, consent: Consent | None, now: float) -> bool:
        """Approve a login, or (without consent) deny it; it expires TAKEN_WITHIN from now at the latest.

        Return False when it does not wait any more.
        """

    async def take_login(self, secret_digest: bytes, now: float) -> DecidedLogin | Unfinished | None:
        """Return and delete a decided login, so that only one caller gets it; None when there is none."""
