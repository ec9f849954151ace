"""Time and chance, as the client needs them. Every room gets its clock from the caller, so that a test can pass one."""

from __future__ import annotations

import random
import time
from typing import Protocol


class Clock(Protocol):
    """Two clocks, a pause and a random number."""

    def steady(self) -> float:
        """Seconds on a clock that never jumps (``time.monotonic``)."""

    def unix(self) -> float:
        """Seconds since 1970, for display."""

    def sleep_until(self, moment: float) -> None:
        """Return when ``steady()`` has reached ``moment``."""

    def chance(self) -> float:
        """A random number in [0, 1), for jitter."""


class SystemClock:
    """The machine's own clock."""

    def steady(self) -> float:
        return time.monotonic()

    def unix(self) -> float:
        return time.time()

    def sleep_until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0:
            time.sleep(min(left, 3600.0))

    def chance(self) -> float:
        return random.random()  # noqa: S311 - jitter, not a secret


def backoff(first: float, most: float, failures: int, chance: float) -> float:
    """The pause after so many failures: doubled each time up to ``most``, then cut by up to half by ``chance``."""
    return min(most, first * 2.0 ** min(failures, 16)) * (0.5 + chance / 2)
