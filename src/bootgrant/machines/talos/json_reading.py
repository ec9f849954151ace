"""JSON in bounded time and memory: what no configuration can hold is refused, with the line where that is known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from bootgrant.machines.talos.parts import ComposeError, Part, Reason, unreadable
from bootgrant.machines.yaml.reading import MAX_BYTES, MAX_DEPTH, too_large


def read_json(part: Part, reason: Reason = Reason.UNREADABLE) -> Any:
    """The value of ``part``. Raises ComposeError with ``reason``, or TOO_LARGE."""
    if len(part.content) > MAX_BYTES:
        raise unreadable(part, too_large(part.content))
    try:
        value = json.loads(part.content, object_pairs_hook=_distinct, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        message = f"this is no JSON: {error.msg}; correct it here or just before"
        raise ComposeError(message, part.name, error.lineno, reason) from None
    except UnicodeDecodeError:
        raise ComposeError("this is not UTF-8: save the file as UTF-8", part.name, None, reason) from None
    except RecursionError:
        raise _too_deep(part) from None
    except ValueError as error:
        # Python's words about a number of thousands of digits are for those who write Python.
        told = "a number in it is too long: shorten it" if "integer string" in str(error) else str(error)
        raise ComposeError(f"this JSON cannot be used: {told}", part.name, None, reason) from None
    _check(value, part, reason)
    return value


def _check(value: Any, part: Part, reason: Reason) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        if not level:
            return
        for text in _texts(level):
            if not _can_be_written(text):
                message = "a text in this JSON has half of a surrogate pair (\\ud800 to \\udfff): correct it"
                raise ComposeError(message, part.name, None, reason)
        if any(isinstance(item, float) and abs(item) == float("inf") for item in level):
            raise ComposeError("a number in this JSON is too large", part.name, None, reason)
        level = [inner for item in level for inner in _inside(item)]
    if level:
        raise _too_deep(part)


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _texts(level: list[Any]) -> Iterator[str]:
    for item in level:
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            yield from item


def _can_be_written(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _too_deep(part: Part) -> ComposeError:
    return ComposeError(f"more than {MAX_DEPTH} levels of nesting: make it flatter", part.name, None, Reason.TOO_LARGE)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = dict(pairs)
    if len(found) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {twice!r} is there twice; keep one of them")
    return found
