"""Where the unfinished steps of a sign-in wait: a WebAuthn challenge, the state of an OIDC request. Digests only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol


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
