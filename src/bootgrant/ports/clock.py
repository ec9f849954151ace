"""Time, as the workflows ask for it."""

from typing import Protocol


class Clock(Protocol):
    """Two clocks: the wall for what is stored, the steady one for waits within one process."""

    def now(self) -> float:
        """Unix time in seconds."""

    def steady(self) -> float:
        """Seconds that never jump; only differences mean anything."""
