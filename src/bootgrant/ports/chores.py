"""Background work of a running server, as the parts that need some describe it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

REPEATEDLY: Final = 3
"""Failures in a row after which ``/readyz`` names a chore."""


class StepFailed(Exception):
    """A step failed for a reason that was foreseen. The text is for the people who read the status; it has no secret.

    ``pause`` is the least time until the next attempt, in seconds, if the usual one is too short.
    """

    def __init__(self, reason: str, pause: float = 0.0) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(slots=True)
class Chore:
    """Work that is repeated as long as the server runs.

    ``step`` does one round and raises when it fails; it must be safe to run again. ``wait`` returns when the next round
    is due. ``name`` is for the log, the metrics and ``/readyz``: a few lower-case words.

    The runner (service/server/chores.py) counts ``failures`` since the server started and ``in_a_row`` since the last
    success, keeps the ``reason`` of a failure until a success, and notes when that was (Unix seconds).
    """

    name: str
    step: Callable[[], Awaitable[object]]
    wait: Callable[[], Awaitable[object]]
    failures: int = 0
    in_a_row: int = 0
    reason: str = ""
    succeeded_at: float | None = None


def every(seconds: float) -> Callable[[], Awaitable[None]]:
    """Return a ``wait`` of a fixed length."""
    return partial(asyncio.sleep, seconds)


def failing(chores: Iterable[Chore]) -> Sequence[str]:
    """Describe the chores that keep failing, one line each."""
    return [
        f"{chore.name} failed {chore.in_a_row} times in a row ({chore.reason})"
        for chore in chores
        if chore.in_a_row >= REPEATEDLY
    ]
