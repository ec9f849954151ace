"""How often a machine may poll (RFC 8628 section 3.5), measured from arrival to arrival.

Talos sends every poll twice, with a Basic header and then without, a few milliseconds apart, so the fair rate is two
requests an interval. The rule is a leaky bucket: each request costs half an interval, and a few may come at once. A
request that is refused costs nothing, so a client that is too fast is slowed to its rate and never locked out.
"""

from __future__ import annotations

from typing import Final

_BURST: Final = 6
"""Requests beyond the rate that may come at once: a pair, the pair after a lost answer, and the one after a restart."""


class PollPace:
    """The pace of one device code. ``interval`` in seconds; times in seconds of any steady clock."""

    __slots__ = ("_cost", "_free_at")

    def __init__(self, interval: float) -> None:
        self._cost = interval / 2
        self._free_at = 0.0

    def arrive(self, now: float) -> bool:
        """Note one request at ``now``; False when it came too early and deserves ``slow_down``."""
        due = max(self._free_at, now)
        if due - now > self._cost * _BURST:
            return False
        self._free_at = due + self._cost
        return True
