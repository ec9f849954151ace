"""What is rehearsed: how many machines, when they come, how they behave, when people decide."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bootgrant.fleet.arrivals import Curve


class Kind(StrEnum):
    """What the machines run."""

    TALOS = "talos"
    ACQUIRE = "acquire"


@dataclass(frozen=True, slots=True)
class Decisions:
    """When people decide. ``after`` seconds, from the moment that a code is shown.

    ``batch`` machines are approved together (1: one by one; 0: all at once, when every code is shown); ``rate`` is how
    many machines people get through in a second, 0 for no limit.
    """

    after: float = 5.0
    batch: int = 1
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One rehearsal. ``arrive`` and ``limit`` in seconds; ``limit`` counts from the start and ends it in any case."""

    machines: int
    arrive: float
    curve: Curve
    decisions: Decisions
    kind: Kind = Kind.TALOS
    limit: float = 600.0
    client_id: str = "talos"
    seed: int = 0
