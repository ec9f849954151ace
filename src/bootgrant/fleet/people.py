"""The people who decide: they see codes, think for a while, and approve one by one or in batches."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bootgrant.fleet.observations import Observations
from bootgrant.fleet.scenario import Decisions


@dataclass(frozen=True, slots=True)
class ToApprove:
    """A machine that people let in: the code on its screen, and the UUID that must stand behind it."""

    user_code: str
    uuid: str


Approve = Callable[[Sequence[ToApprove]], Awaitable[Mapping[str, str]]]
"""Approves machines together. Returns, by user code, why one was not approved; the others are."""


@dataclass(slots=True)
class People:
    """Decides about every code that ``show`` tells of. ``machines`` is how many will come in all."""

    decisions: Decisions
    approve: Approve
    observations: Observations
    machines: int
    _shown: asyncio.Queue[tuple[float, int, ToApprove]] = field(default_factory=asyncio.Queue)
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    def show(self, index: int, machine: ToApprove) -> None:
        """A code stands on the screen of machine ``index``."""
        self._shown.put_nowait((time.monotonic(), index, machine))

    async def decide(self, began: float) -> None:
        """Decide until cancelled. ``began`` is the start of the rehearsal on the monotonic clock."""
        size = self.decisions.batch or self.machines
        free_at = began
        try:
            while True:
                seen = await self._next(size)
                due = max(seen[-1][0] + self.decisions.after, free_at)
                free_at = due + (len(seen) / self.decisions.rate if self.decisions.rate else 0.0)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                self._start(seen, began)
        finally:
            for task in self._running:
                task.cancel()

    async def _next(self, size: int) -> list[tuple[float, int, ToApprove]]:
        """The next batch; a machine that shows another code meanwhile counts once, with its last one."""
        seen: dict[int, tuple[float, int, ToApprove]] = {}
        while len(seen) < size:
            one = await self._shown.get()
            seen.pop(one[1], None)
            seen[one[1]] = one
        return list(seen.values())

    def _start(self, seen: Sequence[tuple[float, int, ToApprove]], began: float) -> None:
        """Approvals run beside each other: one that takes long does not hold up the next."""
        task = asyncio.create_task(self._approve(seen, began))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _approve(self, seen: Sequence[tuple[float, int, ToApprove]], began: float) -> None:
        asked_at = time.monotonic() - began
        for _, index, _machine in seen:
            self.observations.ways[index].approved_at = asked_at
        refused = await self.approve([machine for _, _, machine in seen])
        for why in refused.values():
            self.observations.trouble(f"not approved: {why}")
