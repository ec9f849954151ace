"""The two clocks, the pause and the dice of the client; a test gives its own."""

from __future__ import annotations

import random
import time
from typing import Protocol


class Clock(Protocol):
    """What the driver and the download need of the world besides the network."""

    def steady(self) -> float:
        """Seconds on a clock that never jumps (``time.monotonic``)."""

    def unix(self) -> float:
        """Seconds since 1970, for what people read."""

    def sleep_until(self, moment: float) -> None:
        """Return when ``steady()`` has reached ``moment``."""

    def chance(self) -> float:
        """A random number in [0, 1), for jitter."""


class SystemClock:
    """The machine's own."""

    def steady(self) -> float:
        return time.monotonic()

    def unix(self) -> float:
        return time.time()

    def sleep_until(self, moment: float) -> None:
        while (left := moment - time.monotonic()) > 0:
            time.sleep(min(left, 3600.0))

    def chance(self) -> float:
        return random.random()  # noqa: S311 - jitter, not a secret
