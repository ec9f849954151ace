"""What a site chooses about signing in. The settings name these, so they import nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class SessionRules:
    """Seconds until a session ends unused, until it ends in any case, and for which a sign-in counts as fresh."""

    idle: float = 12 * 3600.0
    lifetime: float = 7 * 86400.0
    fresh: float = 15 * 60.0


class SecondFactor(Enum):
    """Whether local operators need a passkey besides their password (setting ``operators.second_factor``)."""

    OFF = "off"
    REQUIRED = "required"
