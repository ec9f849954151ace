"""Whose token this is, said by the outside provider that gave it out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from bootgrant.approval.outside import OutsideRule, Person
from bootgrant.wire.secret import Secret


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
