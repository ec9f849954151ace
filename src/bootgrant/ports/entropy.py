"""Randomness fit for secrets."""

from typing import Protocol


class Entropy(Protocol):
    def random_bytes(self, count: int) -> bytes:
        """``count`` bytes that nobody can guess."""
