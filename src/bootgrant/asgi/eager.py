"""Running a coroutine up to its first wait at once: what is answered without waiting needs no task."""

from __future__ import annotations

from collections.abc import Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """The coroutine is over; this is its value."""

    value: T


class Rest(Generic[T]):
    """What is left of a coroutine that began to wait: to be awaited, once, inside a task."""

    __slots__ = ("_coroutine", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, T], waits_for: object) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, T]:
        """Hand what the coroutine waits for to the task that awaits this, and the outcome back to the coroutine."""
        waits_for = self._waits_for
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
