"""What was seen: every request with its time and outcome, and each machine's way from boot to configuration."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

NEVER: Final = -1.0
"""A moment that has not come."""


class Step(StrEnum):
    """The requests of a machine."""

    CODES = "POST /device/code"
    TOKEN = "POST /token"  # noqa: S105 - a path
    CONFIG = "GET /config"


@dataclass(slots=True)
class Way:
    """One machine's way. Moments are seconds since the start of the rehearsal, or NEVER.

    ``approved_at`` is when the approval was asked for. ``codes`` counts the codes that it showed; more than one means
    that a person who was typing the first one typed in vain.
    """

    booted_at: float = NEVER
    shown_at: float = NEVER
    approved_at: float = NEVER
    token_at: float = NEVER
    config_at: float = NEVER
    codes: int = 0
    polls: int = 0
    user_code: str = ""


@dataclass(slots=True)
class Requests:
    """All requests of one step: when each ended, how long it took (seconds), and how many ended how."""

    ended: array[float] = field(default_factory=lambda: array("d"))
    took: array[float] = field(default_factory=lambda: array("d"))
    outcomes: Counter[str] = field(default_factory=Counter)


class Observations:
    """Collects. ``ways`` has one entry for each machine, ``troubles`` what nobody should have to see, by its text."""

    def __init__(self, machines: int) -> None:
        self.ways = [Way() for _ in range(machines)]
        self.requests = {step: Requests() for step in Step}
        self.troubles: Counter[str] = Counter()
        self.open = 0
        self.most_open = 0

    def begin(self) -> None:
        """A request is under way."""
        self.open += 1
        self.most_open = max(self.most_open, self.open)

    def end(self, step: Step, ended: float, took: float, outcome: str) -> None:
        """A request came to its end."""
        self.open -= 1
        seen = self.requests[step]
        seen.ended.append(ended)
        seen.took.append(took)
        seen.outcomes[outcome] += 1

    def trouble(self, what: str) -> None:
        """Something that should not happen to a machine."""
        self.troubles[what] += 1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rehearsal is. Counts of machines, except ``requests`` and ``open``."""

    seconds: float
    machines: int
    booted: int
    shown: int
    approved: int
    delivered: int
    requests: int
    open: int
    troubles: int
