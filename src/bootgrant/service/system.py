"""The clock and the random source of the real machine."""

from __future__ import annotations

import secrets
import time


class SystemClock:
    """ports.clock.Clock."""

    def now(self) -> float:
        return time.time()

    def steady(self) -> float:
        return time.monotonic()


class SystemEntropy:
    """ports.entropy.Entropy, from the kernel."""

    def random_bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)
