"""Time and randomness for the workflows."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Two clocks: the wall clock for what is stored, the steady one for durations within one process."""

    def now(self) -> float:
        """Return Unix time in seconds."""

    def steady(self) -> float:
        """Return seconds that never jump; only differences are meaningful."""


class Entropy(Protocol):
    def random_bytes(self, count: int) -> bytes:
        """Return ``count`` unpredictable bytes."""
