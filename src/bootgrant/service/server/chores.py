"""The one runner of background work: a chore that fails is logged, tried again after a pause, counted, and reported.

Nothing else in the server starts a task that outlives a request (tests/architecture/test_background_work.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from bootgrant.ports.chores import Chore, StepFailed
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.ports.time import Clock
from bootgrant.service.system import SystemClock

log = logging.getLogger("bootgrant.chores")

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
LONGEST_WITHOUT_STORE: Final = 5.0
"""Seconds between attempts: doubled from the first to the longest, which is shorter while the database is unavailable:
machines are waiting for it to come back."""


class Chores:
    """Runs chores from ``start`` until ``stop``, on one event loop.

    ``pauses`` are the first and the longest pause after a failure, in seconds.
    """

    def __init__(
        self,
        chores: Iterable[Chore],
        pauses: tuple[float, float] = (FIRST_PAUSE, LONGEST_PAUSE),
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._chores = tuple(chores)
        self._first, self._longest = pauses
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._repeat(chore), name=chore.name) for chore in self._chores]

    async def stop(self) -> None:
        """Cancel every chore and wait until all of them have ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _repeat(self, chore: Chore) -> None:
        while True:
            try:
                await chore.step()
                self._note_success(chore)
                await chore.wait()
            except Exception as error:  # noqa: BLE001  (whatever it is, the chore must run again)
                await asyncio.sleep(self._note_failure(chore, error))

    def _note_success(self, chore: Chore) -> None:
        chore.succeeded_at = self._clock.now()
        if chore.in_a_row:
            log.info("%s: works again after %d failures", chore.name, chore.in_a_row)
            chore.in_a_row, chore.reason = 0, ""

    def _note_failure(self, chore: Chore, error: Exception) -> float:
        """Count and log a failure. Return the pause before the next attempt, in seconds."""
        is_store = isinstance(error, StoreUnavailable)
        longest = min(self._longest, LONGEST_WITHOUT_STORE) if is_store else self._longest
        pause = min(longest, self._first * 2.0 ** min(chore.in_a_row, 16))
        # The reason of an unforeseen error may contain anything, so only the log has it.
        reason = "the database is unavailable" if is_store else type(error).__name__
        if isinstance(error, StepFailed):
            reason, pause = str(error), max(pause, error.pause)
        is_news = reason != chore.reason
        chore.failures += 1
        chore.in_a_row += 1
        chore.reason = reason
        if is_store:
            if is_news:
                log.error("%s: waiting for the database: %s", chore.name, error)
        elif isinstance(error, StepFailed):
            log.error("%s: failed, next attempt in %g s: %s", chore.name, pause, error)
        else:
            log.error("%s: failed, next attempt in %g s", chore.name, pause, exc_info=error if is_news else None)
        return pause
