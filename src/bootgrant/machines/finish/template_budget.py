"""What one rendering may use: steps, values and characters. The budget is in no name that a template could set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, TypeVar

STEPS: Final = 100_000
"""Rounds of loops, calls, values written or joined, and every WEIGHT characters of these."""
WEIGHT: Final = 256
VALUES: Final = 2_000_000
"""Values in lists and mappings that one rendering makes, compares or passes to filters."""
TEXT: Final = 1 << 20
"""Characters of one text in a template."""
LARGEST_NUMBER: Final = 1 << 64
_T = TypeVar("_T")


class NotAllowed(Exception):
    """A template exceeded a limit or does something that is not allowed, at ``lineno`` if it is known."""

    def __init__(self, message: str, lineno: int | None = None) -> None:
        super().__init__(message)
        self.lineno = lineno


@dataclass(slots=True)
class Budget:
    """What one rendering may still use."""

    left: int = STEPS
    values: int = VALUES

    def take(self, steps: int = 1) -> None:
        self.left -= steps
        if self.left < 0:
            raise NotAllowed(f"takes more than {STEPS:,} steps: does it loop?")

    def weigh(self, values: int) -> None:
        self.values -= values
        if self.values < 0:
            raise NotAllowed("makes or compares lists or mappings that are too large: does it add them to themselves?")


_current: ContextVar[Budget] = ContextVar("budget")


@contextmanager
def new_budget() -> Iterator[None]:
    """Give the rendering in this context a budget. Without one, nothing is rendered."""
    token = _current.set(Budget())
    try:
        yield
    finally:
        _current.reset(token)


def budget() -> Budget:
    """The budget of this rendering. Raises LookupError outside of one, for example where Jinja2 folds constants."""
    return _current.get()


def charge(value: _T) -> _T:
    """Return a value that was just made, after paying for it."""
    check_size(value)
    if isinstance(value, str):
        budget().take(len(value) // WEIGHT)
    elif isinstance(value, (list, tuple, dict)):
        budget().weigh(1 + len(value))
    return value


def check_size(*values: Any) -> None:
    """Check that values, and all of them together, are not too large."""
    if sum(len(value) for value in values if isinstance(value, (str, list, tuple))) > TEXT:
        raise NotAllowed(f"makes a text of more than {TEXT:,} characters")


def counted(values: Iterable[Any]) -> Iterator[Any]:
    """Yield values, and count them."""
    mine = budget()
    for value in values:
        mine.take()
        yield value


def weighed(value: Any) -> Any:
    """Return a value after counting everything in it."""
    if isinstance(value, (str, list, tuple, dict, range)):
        weigh(value, budget())
        return value
    return _weighed_one_by_one(value, budget()) if isinstance(value, Iterator) else value


def _weighed_one_by_one(values: Iterator[Any], mine: Budget) -> Iterator[Any]:
    for value in values:
        mine.weigh(1)
        weigh(value, mine)
        yield value


def weigh(whole: Any, mine: Budget) -> None:
    """Count everything in a value, as often as it occurs."""
    todo = [whole]
    while todo:
        value = todo.pop()
        if not isinstance(value, (str, range, list, tuple, dict)):
            continue
        if isinstance(value, str):
            mine.take(len(value) // WEIGHT)
            continue
        # Counted before its values are added, so the list of values still to count stays within the budget.
        mine.weigh(1 + len(value))
        if isinstance(value, dict):
            todo += [*value, *value.values()]
        elif not isinstance(value, range):
            todo += value
