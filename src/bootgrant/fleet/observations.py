"""What a rehearsal measures: the time and outcome of every request, and the journey of each machine."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

NEVER: Final = -1.0
"""The moment of something that has not happened yet."""


class Step(StrEnum):
    """The requests of a machine."""

    CODES = "POST /device/code"
    TOKEN = "POST /token"  # noqa: S105 - a path
    CONFIG = "GET /config"


@dataclass(slots=True)
class Journey:
    """One machine from boot to configuration. Moments are seconds since the start of the rehearsal, or NEVER.

    ``approved_at`` is when the approval was requested, ``codes`` the number of codes that the machine showed.
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
    """All requests of one step: when each ended, how long it took (seconds), and the number of each outcome."""

    ended: array[float] = field(default_factory=lambda: array("d"))
    took: array[float] = field(default_factory=lambda: array("d"))
    outcomes: Counter[str] = field(default_factory=Counter)


class Observations:
    """Collects measurements. ``journeys`` has an item per machine; ``problems`` counts unexpected events by text."""

    def __init__(self, machines: int) -> None:
        self.journeys = [Journey() for _ in range(machines)]
        self.requests = {step: Requests() for step in Step}
        self.problems: Counter[str] = Counter()
        self.open = 0
        self.most_open = 0

    def begin(self) -> None:
        """Record the start of a request."""
        self.open += 1
        self.most_open = max(self.most_open, self.open)

    def end(self, step: Step, ended: float, took: float, outcome: str) -> None:
        """Record the end of a request."""
        self.open -= 1
        requests = self.requests[step]
        requests.ended.append(ended)
        requests.took.append(took)
        requests.outcomes[outcome] += 1


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a rehearsal. Numbers of machines, except ``requests``, ``open`` and ``problems``."""

    seconds: float
    machines: int
    booted: int
    shown: int
    approved: int
    delivered: int
    requests: int
    open: int
    problems: int
