"""Running a coroutine without a task, as far as that goes: a task for each of thousands of requests costs as much as a
good part of their answers. What is answered without waiting needs none, and what only waits for futures neither.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The coroutine is over; this is its value."""

    value: T


class Rest(Generic[T]):
    """What is left of a coroutine that began to wait: to be awaited inside a task, or to go on by ``then``; once."""

    __slots__ = ("_coroutine", "_ended", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, T], waits_for: asyncio.Future[Any]) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for
        self._ended: Callable[[Rest[T], T], None] = _nobody_asked

    def then(self, ended: Callable[[Rest[T], T], None]) -> None:
        """Go on without a task whenever what it waits for has come, and hand the value over at the end.

        The coroutine must not ask for the current task (``asyncio.timeout``, ``asyncio.wait_for``). Its errors go to
        the loop's exception handler.
        """
        self._ended = ended
        self._waits_for.add_done_callback(self._go_on)

    def cancel(self, msg: object = None) -> bool:
        """As of a task: what the coroutine waits for is cancelled, and the coroutine is told."""
        return self._waits_for.cancel(msg)

    def _go_on(self, _came: asyncio.Future[Any]) -> None:
        # An awaited future hands over its own value or error when it is resumed (Future.__await__).
        try:
            self._waits_for = self._coroutine.send(None)
        except StopIteration as end:
            self._ended(self, end.value)
        except asyncio.CancelledError:
            return
        else:
            self._waits_for.add_done_callback(self._go_on)

    def __await__(self) -> Generator[Any, Any, T]:
        """Hand what the coroutine waits for to the task that awaits this, and the outcome back to the coroutine."""
        waits_for: Any = self._waits_for
        try:
            while True:
                try:
                    outcome = yield waits_for
                except BaseException as error:  # noqa: BLE001  (a cancellation belongs to the coroutine)
                    waits_for = self._coroutine.throw(error)
                else:
                    waits_for = self._coroutine.send(outcome)
        except StopIteration as end:
            value: T = end.value
            return value


def start(coroutine: Coroutine[Any, Any, T]) -> Done[T] | Rest[T]:
    """Run ``coroutine`` until it ends or waits. Up to there it must not ask for the current task."""
    try:
        return Rest(coroutine, coroutine.send(None))
    except StopIteration as end:
        return Done(end.value)


def _nobody_asked(_rest: object, _value: object) -> None:
    """For a rest that was never told who gets its value."""
