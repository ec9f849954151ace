"""Run a coroutine without a task where possible.

Creating a task for each of thousands of requests costs as much as a good part of answering them. A coroutine that never
waits needs no task, and neither does one that waits only for futures.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The coroutine has finished with this value."""

    value: T


class Rest(Generic[T]):
    """The remainder of a coroutine that started to wait. Use it once: await it inside a task, or call ``then``."""

    __slots__ = ("_coroutine", "_ended", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, T], waits_for: asyncio.Future[Any]) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for
        self._ended: Callable[[Rest[T], T], None] = _discard

    def then(self, ended: Callable[[Rest[T], T], None]) -> None:
        """Resume the coroutine without a task as its futures complete, and call ``ended`` with its value at the end.

        The coroutine must not use the current task (``asyncio.timeout``, ``asyncio.wait_for``). Its errors go to the
        loop's exception handler.
        """
        self._ended = ended
        self._waits_for.add_done_callback(self._resume)

    def cancel(self, msg: object = None) -> bool:
        """Cancel the awaited future, which raises CancelledError in the coroutine, as ``Task.cancel`` does."""
        return self._waits_for.cancel(msg)

    def _resume(self, _done: asyncio.Future[Any]) -> None:
        # Future.__await__ returns the value or raises the error itself when it is resumed.
        try:
            self._waits_for = self._coroutine.send(None)
        except StopIteration as end:
            self._ended(self, end.value)
        except asyncio.CancelledError:
            return
        else:
            self._waits_for.add_done_callback(self._resume)

    def __await__(self) -> Generator[Any, Any, T]:
        """Pass the coroutine's futures up to the awaiting task, and their outcomes back to the coroutine."""
        waits_for: Any = self._waits_for
        try:
            while True:
                try:
                    outcome = yield waits_for
                except BaseException as error:  # noqa: BLE001  (the coroutine must see a cancellation)
                    waits_for = self._coroutine.throw(error)
                else:
                    waits_for = self._coroutine.send(outcome)
        except StopIteration as end:
            value: T = end.value
            return value


def start(coroutine: Coroutine[Any, Any, T]) -> Done[T] | Rest[T]:
    """Run ``coroutine`` until it ends or waits. Until then it must not use the current task."""
    try:
        return Rest(coroutine, coroutine.send(None))
    except StopIteration as end:
        return Done(end.value)


def _discard(_rest: object, _value: object) -> None:
    """The default of ``Rest`` before ``then`` was called."""
