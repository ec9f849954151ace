"""The capacity model of docs/scaling.md: from the cost of one machine to the needs of many."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

HOLD: Final = 25.0
"""How long a poll is held, in seconds (``grants.hold``)."""
SPAN: Final = 600.0
"""The time in which all machines arrive, and in which all are approved, in seconds."""
SHARE: Final = 0.5
"""The share of a core that a server should use, so that the rest is free for a storm."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one machine: CPU in microseconds for its request, per poll and per delivery; memory in KiB.

    ``wire`` is the bytes of a poll on its own connection, in both directions, with TCP and IP headers.
    """

    ask: float
    poll: float
    deliver: float
    kib: float = 0.0
    wire: float = 0.0


@dataclass(frozen=True, slots=True)
class Need:
    """The needs of ``machines`` waiting at the same time. Rates are per second, ``memory`` is in MB."""

    machines: int
    polls: float
    asks: float
    cores: float
    memory: float
    megabits: float
    rows: float

    @property
    def servers(self) -> int:
        """The number of servers, each using half of one core."""
        return max(1, math.ceil(self.cores / SHARE))


def need(cost: Cost, machines: int, base_mb: float = 42.0) -> Need:
    """Return the needs of waiting machines while others still arrive and are already approved.

    A machine writes five rows: its request, approval, token, delivery, and the audit record of the delivery.
    """
    polls, asks = machines / HOLD, machines / SPAN
    cores = (asks * (cost.ask + cost.deliver) + polls * cost.poll) / 1e6
    memory = base_mb + machines * cost.kib / 1024
    return Need(machines, polls, asks, cores, memory, polls * cost.wire * 8 / 1e6, 5 * asks)


def most_machines(cost: Cost) -> int:
    """Return how many machines can wait on one server that uses half of a core."""
    for_each = ((cost.ask + cost.deliver) / SPAN + cost.poll / HOLD) / 1e6
    return int(SHARE / for_each)
