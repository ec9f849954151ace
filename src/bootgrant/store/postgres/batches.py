"""Calls that come while others are under way share the next round trip, and its commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from bootgrant.ports.grants import StoreUnavailable

Asked = TypeVar("Asked")
Got = TypeVar("Got")


class Batches(Generic[Asked, Got]):
    """Hands what is asked to ``work``, many at a time, in the order of asking.

    ``work`` answers each of a batch in its place. When it fails, the halves of the batch are tried apart, so that a
    failure reaches only the one who caused it; StoreUnavailable reaches everybody at once. At most ``at_once`` batches
    are under way, each of at most ``most``. Used from one event loop.
    """

    def __init__(
        self, work: Callable[[Sequence[Asked]], Awaitable[Sequence[Got]]], *, at_once: int = 2, most: int = 256
    ) -> None:
        self._work = work
        self._at_once = at_once
        self._most = most
        self._waiting: deque[tuple[Asked, asyncio.Future[Got]]] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, asked: Asked) -> Got:
        """The answer of ``work``. Raises what it raised for this one. Who stops waiting in the queue is left out."""
        future: asyncio.Future[Got] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if len(self._running) < self._at_once:
            task = asyncio.create_task(self._serve())
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    async def _serve(self) -> None:
        while batch := self._next_batch():
            try:
                await self._answer(batch)
            except StoreUnavailable as error:
                _fail([*batch, *self._waiting], error)
                self._waiting.clear()

    def _next_batch(self) -> list[tuple[Asked, asyncio.Future[Got]]]:
        batch: list[tuple[Asked, asyncio.Future[Got]]] = []
        while self._waiting and len(batch) < self._most:
            asked, future = self._waiting.popleft()
            if not future.done():
                batch.append((asked, future))
        return batch

    async def _answer(self, batch: list[tuple[Asked, asyncio.Future[Got]]]) -> None:
        try:
            answers = await self._work([asked for asked, _ in batch])
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  (every failure goes to the one who asked)
            if len(batch) == 1:
                _settle(batch[0][1], error)
                return
            middle = len(batch) // 2
            await self._answer(batch[:middle])
            await self._answer(batch[middle:])
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)


def _fail(batch: Sequence[tuple[object, asyncio.Future[Got]]], error: StoreUnavailable) -> None:
    for _, future in batch:
        _settle(future, StoreUnavailable(str(error)))


def _settle(future: asyncio.Future[Got], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
