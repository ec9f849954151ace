"""The waiting list for pages that look at themselves again: in a storm, one look a second serves all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from bootgrant.ports.time import Clock
from bootgrant.workflows.decide.decide_grant import DecideGrant
from bootgrant.workflows.decide.grant_cards import GrantCard

_KEPT: Final = 1.0


class WaitingCards:
    """Used from one event loop."""

    def __init__(self, decide: DecideGrant, clock: Clock, most: int = 500) -> None:
        self.most = most
        self._decide = decide
        self._clock = clock
        self._lock = asyncio.Lock()
        self._cards: Sequence[GrantCard] = ()
        self._at = float("-inf")

    async def now(self) -> Sequence[GrantCard]:
        """As they are, for a person who asks. Raises StoreUnavailable."""
        return await self._decide.waiting(self.most)

    async def lately(self) -> Sequence[GrantCard]:
        """As they were at most a second ago. A page that shows them hears of what came since. Raises
        StoreUnavailable."""
        async with self._lock:
            if self._clock.steady() - self._at >= _KEPT:
                self._cards = await self.now()
                self._at = self._clock.steady()
            return self._cards
