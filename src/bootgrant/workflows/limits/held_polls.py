"""Token requests that wait for a decision: how many, and how they all end when the server stops."""

from __future__ import annotations

import asyncio


class HeldPolls:
    """At most ``most`` requests wait at once; over that, and after ``drain``, none does. Used from one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: set[asyncio.Future[None]] = set()
        self._draining = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether another request may wait now."""
        return not self._draining and len(self._waiting) < self._most

    @property
    def draining(self) -> bool:
        """Whether the server is about to end."""
        return self._draining

    async def wait(self, wake: asyncio.Future[None], seconds: float) -> bool:
        """Wait until ``wake`` ends, for at most ``seconds``; False when it did not, or there is no room to wait."""
        if self._draining or seconds <= 0 or len(self._waiting) >= self._most:
            return False
        late = False

        def give_up() -> None:
            nonlocal late
            late = not wake.done()
            _end(wake)

        timer = asyncio.get_running_loop().call_later(seconds, give_up)
        self._waiting.add(wake)
        try:
            await wake
        finally:
            timer.cancel()
            self._waiting.discard(wake)
        return not late and not self._draining

    def drain(self) -> None:
        """Let every waiting request be answered now, and hold no more."""
        self._draining = True
        for wake in self._waiting:
            _end(wake)


def _end(wake: asyncio.Future[None]) -> None:
    if not wake.done():
        wake.set_result(None)
