"""Group commit: the calls that arrive while one group is being written form the next group."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from bootgrant.ports.grants import StoreUnavailable

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Waiting = tuple[Item, asyncio.Future[Outcome]]


class GroupCommit(Generic[Item, Outcome]):
    """Pass items to ``work`` in groups, in the order of the calls.

    ``work`` returns one outcome per item; the caller of an item whose outcome is an exception gets it raised. When
    ``work`` itself raises, the halves of the group are tried separately, so that a failure reaches only the caller that
    caused it. StoreUnavailable is final: every waiting caller gets it at once.

    At most ``parallel`` groups of up to ``largest`` items run at a time. An item is worked on even when its caller has
    been cancelled. Belongs to one event loop.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome | Exception]]],
        *,
        parallel: int = 1,
        largest: int = sys.maxsize,
    ) -> None:
        self._work = work
        self._parallel = parallel
        self._largest = largest
        self._waiting: deque[Waiting[Item, Outcome]] = deque()
        self._running: set[asyncio.Task[None] | None] = set()
        self._loop: asyncio.AbstractEventLoop

    async def run(self, item: Item) -> Outcome:
        """Return the outcome of ``item``, or raise it."""
        if len(self._running) < self._parallel:
            # Once per group: looking up the loop costs a system call before Python 3.12.
            self._loop = asyncio.get_running_loop()
            task = self._loop.create_task(self._serve())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiting.append((item, future))
        return await future

    async def _serve(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._largest))]
            try:
                await self._settle(group)
            except StoreUnavailable as error:
                for _, future in (*group, *self._waiting):
                    _fail(future, StoreUnavailable(str(error)))
                self._waiting.clear()
        # Now, and not in the task's callback: a caller that has just been answered may run the next item before that.
        self._running.discard(asyncio.current_task())

    async def _settle(self, group: list[Waiting[Item, Outcome]]) -> None:
        try:
            outcomes = await self._work([item for item, _ in group])
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  (whatever it was, its caller must not wait forever)
            if len(group) == 1:
                _fail(group[0][1], error)
                return
            middle = len(group) // 2
            await self._settle(group[:middle])
            await self._settle(group[middle:])
            return
        for (_, future), outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, Exception):
                _fail(future, outcome)
            elif not future.done():
                future.set_result(outcome)


def _fail(future: asyncio.Future[Outcome], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
