"""Fakes that implement ports: a clock that stands until it is moved, randomness that repeats."""

from __future__ import annotations

import hashlib


class FakeClock:
    """ports.clock.Clock; both of its clocks move together, by hand."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def steady(self) -> float:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += seconds


class CountedEntropy:
    """ports.entropy.Entropy: different bytes at every call, the same in every run."""

    def __init__(self) -> None:
        self._calls = 0

    def random_bytes(self, count: int) -> bytes:
        self._calls += 1
        return hashlib.shake_256(str(self._calls).encode()).digest(count)
