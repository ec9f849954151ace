"""Armed windows, and how many machines each has let in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bootgrant.approval.policy import Window


class WindowStore(Protocol):
    """Every method may raise StoreUnavailable (ports.grant_store)."""

    async def arm(self, window: Window) -> None:
        """Keep a new window."""

    async def disarm(self, window_id: str) -> bool:
        """Forget a window; whether there was one."""

    async def windows(self) -> Sequence[Window]:
        """All that are kept, oldest first: also those that are over or used up."""

    async def take_place(self, window_id: str, now: float) -> bool:
        """Use one of the window's places, if it is open and one is left: never more than its count, on any server."""

    async def give_back(self, window_id: str) -> None:
        """A place that was taken and not used after all."""

    async def forget_before(self, until: float) -> None:
        """Forget windows that ended before ``until`` (Unix seconds)."""
