"""The filters of templates that Jinja2 does not have, or has without limits; ``charged`` makes a filter pay."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, Final

from jinja2 import nodes, pass_eval_context
from jinja2.filters import do_int, do_round, do_tojson, do_trim
from jinja2.runtime import Undefined

from bootgrant.machines.finish.template_budget import (
    LARGEST_NUMBER,
    STEPS,
    TEXT,
    Budget,
    NotAllowed,
    budget,
    charge,
    check_size,
    weigh,
)

_MOST_DIGITS: Final = 32
_MOST_STRIPPED: Final = 64


def charged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that pays for what it makes."""

    @wraps(function)
    def made(*args: Any, **kwargs: Any) -> Any:
        budget().take()
        return charge(function(*args, **kwargs))

    return made


def weighing(test: Callable[..., Any]) -> Callable[..., Any]:
    """A test that pays for what it compares."""

    @wraps(test)
    def made(*args: Any, **kwargs: Any) -> Any:
        budget().take()
        if len(args) + len(kwargs) > 1:
            for value in (*args, *kwargs.values()):
                weigh(value, budget())
        return test(*args, **kwargs)

    return made


def check_stripped(characters: Any) -> None:
    if isinstance(characters, str) and len(characters) > _MOST_STRIPPED:
        raise NotAllowed(f"strips more than {_MOST_STRIPPED} different characters")


def bounded_range(*bounds: int) -> range:
    rounds = range(*bounds)
    if len(rounds) > STEPS:
        raise NotAllowed(f"range() over more than {STEPS:,} numbers")
    return rounds


def as_text(value: Any) -> str:
    """Return a text or number as text. Raises NotAllowed for lists and mappings, which Python would write as Python."""
    _defined(value)
    if isinstance(value, Undefined):
        # An `if` in an expression that has no `else`.
        return ""
    if value is None:
        raise NotAllowed("writes a value that is null: set it, or use `default('…', true)`")
    if not isinstance(value, (str, int, float)):
        raise NotAllowed("writes a list or a mapping as text: use `tojson`, or `join` for a list of texts")
    check_size(value)
    return str(value)


def _sum(values: Iterable[Any], attribute: str | int | None = None, start: float = 0) -> float:
    """Return the sum of numbers, or of an attribute of mappings."""
    total = start
    for value in values:
        number = value if attribute is None else value[attribute]
        _defined(number)
        if not isinstance(number, (int, float)) or not isinstance(total, (int, float)):
            raise NotAllowed("sum adds only numbers: use + or join")
        total += number
    return total


@pass_eval_context
def _tojson(context: nodes.EvalContext, value: Any, indent: int | None = None) -> str:
    if indent is not None and not 0 <= indent <= 16:
        raise NotAllowed("tojson needs an indent of 0 to 16 spaces")
    weigh(value, Budget(values=STEPS))
    return str(do_tojson(context, value, indent))


def _join(values: Iterable[Any], separator: str = "") -> str:
    pieces: list[str] = []
    size = 0
    for value in values:
        pieces.append(as_text(value))
        size += len(pieces[-1]) + len(separator)
        if size > TEXT:
            raise NotAllowed(f"makes a text of more than {TEXT:,} characters")
    return separator.join(pieces)


def _indent(text: str, width: int = 4, first: bool = False) -> str:
    """Indent the lines of a text, the first one only if ``first``. Empty lines stay empty."""
    if not 0 <= width <= 64:
        raise NotAllowed("indent needs 0 to 64 spaces")
    lines = as_text(text).split("\n")
    moved = [" " * width + line if line and (number or first) else line for number, line in enumerate(lines)]
    return "\n".join(moved)


def _replace(text: str, old: str, new: str) -> str:
    text = as_text(text)
    if len(text) + text.count(old) * len(new) > TEXT:
        raise NotAllowed(f"makes a text of more than {TEXT:,} characters")
    return text.replace(old, new)


def _b64encode(text: str) -> str:
    return base64.b64encode(as_text(text).encode()).decode("ascii")


def _defined(value: object) -> None:
    if isinstance(value, Undefined):
        str(value)


def _sliced(value: Any, start: Any, stop: Any, step: Any) -> Any:
    return value[start:stop:step]


def _round(value: Any, precision: int = 0, method: Any = "common") -> float:
    if not -_MOST_DIGITS <= precision <= _MOST_DIGITS:
        raise NotAllowed(f"round needs a precision of at most {_MOST_DIGITS} digits")
    return float(do_round(value, precision, method))


def _int(value: Any, default: int = 0, base: int = 10) -> int:
    number = do_int(value, default, base)
    if abs(number) > LARGEST_NUMBER:
        raise NotAllowed("this number is too large")
    return number


def _trim(value: str, chars: str | None = None) -> str:
    check_stripped(chars)
    return do_trim(value, chars)


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "b64encode": _b64encode, "indent": _indent, "int": _int, "join": _join, "replace": _replace, "round": _round,
    "sliced": _sliced, "string": as_text, "sum": _sum, "tojson": _tojson, "trim": _trim,
}  # fmt: skip
