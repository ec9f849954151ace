"""What happened, in plain integers: added where it happens, read when somebody asks (service/metrics).

Nothing here knows a clock, a lock or a format; each object belongs to one event loop, and adding costs well under a
microsecond. Every room may count.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

WRITING: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds: bounds for what a disk or a database does."""

WAITING: Final = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Seconds: bounds for what people and booting machines do."""


class Durations:
    """How many took how long. ``bounds`` are the upper ends of the buckets in seconds, ascending."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """One more; a clock that was set back counts as nothing at all."""
        seconds = max(0.0, seconds)
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, int]]:
        """Each upper end with how many took at most that long, as Prometheus names it; the last is everything."""
        told: list[tuple[str, int]] = []
        count = 0
        for bound, here in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            count += here
            told.append((bound, count))
        return told


@dataclass(slots=True)
class RequestCounts:
    """Answers by (endpoint, status), refusals by (endpoint, reason). Both names come from closed sets of ours."""

    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(slots=True)
class StoreCounts:
    """How long transactions took until they were durable and how many failed; steps in the life of grants by the state
    they led to; from asking to decision, and from decision to delivery. Durations in seconds."""

    transactions: Durations = field(default_factory=lambda: Durations(WRITING))
    failures: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    decision: Durations = field(default_factory=lambda: Durations(WAITING))
    delivery: Durations = field(default_factory=lambda: Durations(WAITING))


@dataclass(slots=True)
class NoticeCounts:
    """Attempts to tell people, by (target, outcome): sent, failed, needless (nobody waited any more)."""

    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
