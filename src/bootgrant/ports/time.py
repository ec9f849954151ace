"""Time and randomness, as the workflows ask for them."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Two clocks: the wall for what is stored, the steady one for waits within one process."""

    def now(self) -> float:
        """Unix time in seconds."""

    def steady(self) -> float:
        """Seconds that never jump; only differences mean anything."""


class Entropy(Protocol):
    def random_bytes(self, count: int) -> bytes:
        """``count`` bytes that nobody can guess."""
