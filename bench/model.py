"""The capacity model of docs/scaling.md: from what one machine costs to what many need. Pure arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

HOLD: Final = 25.0
"""Seconds for which a poll is held (``grants.hold``)."""
SPAN: Final = 600.0
"""Seconds in which all machines come, and again in which all are approved."""
SHARE: Final = 0.5
"""Of a core that a server should use, so that a storm finds the other half."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one machine: CPU in microseconds to ask, for each poll, and from approval to configuration; KiB of memory.

    ``wire`` is bytes for a poll on its own connection, both ways, with the headers of TCP and IP.
    """

    ask: float
    poll: float
    deliver: float
    kib: float = 0.0
    wire: float = 0.0


@dataclass(frozen=True, slots=True)
class Need:
    """What so many waiting machines need at once. Rates a second; ``cores`` of CPU; ``memory`` in MB."""

    machines: int
    polls: float
    asks: float
    cores: float
    memory: float
    megabits: float
    rows: float

    @property
    def servers(self) -> int:
        """Servers of one core each, half used."""
        return max(1, math.ceil(self.cores / SHARE))


def need(cost: Cost, machines: int, base_mb: float = 42.0) -> Need:
    """For ``machines`` that all wait, while they still come and are approved already.

    A machine writes five rows: one when it asks, and four for approval, token, delivery and the record of the delivery.
    """
    polls, asks = machines / HOLD, machines / SPAN
    cores = (asks * (cost.ask + cost.deliver) + polls * cost.poll) / 1e6
    memory = base_mb + machines * cost.kib / 1024
    return Need(machines, polls, asks, cores, memory, polls * cost.wire * 8 / 1e6, 5 * asks)


def most_machines(cost: Cost) -> int:
    """How many machines one server of one core can have waiting, with half of the core to spare."""
    for_each = ((cost.ask + cost.deliver) / SPAN + cost.poll / HOLD) / 1e6
    return int(SHARE / for_each)
