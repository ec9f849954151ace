"""Grants that are over are forgotten in small steps, so that no collection holds up a machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bootgrant.ports.grants import BindingStore, GrantStore
from bootgrant.ports.time import Clock

UNFETCHED_KEPT: Final = 24 * 3600.0
"""Seconds that a request without a token is kept after its end: for the answer "this code expired"."""

_STEP: Final = 200


@dataclass(frozen=True, slots=True)
class CollectEnded:
    """``kept`` is how long delivered grants stay, in seconds: they are the history of a machine."""

    store: GrantStore
    bindings: BindingStore
    clock: Clock
    kept: float

    async def step(self) -> bool:
        """Forget a few; True when there may be more. Raises StoreUnavailable."""
        now = self.clock.now()
        grants = await self.store.collect_ended(now - UNFETCHED_KEPT, now - self.kept, _STEP)
        bindings = await self.bindings.forget_bindings(now - UNFETCHED_KEPT, _STEP)
        return _STEP in (grants, bindings)
