"""Read JSON within limits. In patches, numbers and texts keep the form in which they are written.

The library that Talos uses (github.com/evanphx/json-patch) compares scalars by that form: a ``test`` of ``1.0`` fails
where the configuration has ``1``.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from bootgrant.machines.talos.documents import ComposeError, Part, Reason
from bootgrant.machines.yaml.reading import MAX_BYTES, MAX_DEPTH

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[][{},:]|[^][{},:"\s]+')
_BETWEEN_ELEMENTS: Final = re.compile(r"[\s,]*")


@dataclass(frozen=True, slots=True)
class JsonNumber:
    """A number as it is written."""

    text: str


class JsonText(str):
    """A text from a patch in JSON. ``written`` is the text with its quotes and escapes."""

    __slots__ = ("written",)

    written: str

    @classmethod
    def of(cls, text: str, written: str) -> JsonText:
        made = cls(text)
        made.written = written
        return made


JsonValue = Any
"""None, bool, str, JsonNumber, or a list or dict of them."""


def read_json_patch(part: Part) -> JsonValue:
    """Return the value of a patch, with the written forms. Raises ComposeError (JSON_PATCH or TOO_LARGE)."""
    read_json(part, Reason.JSON_PATCH)
    text = part.content.decode(json.detect_encoding(part.content))
    return _written_value(match[0] for match in _TOKEN.finditer(text))


def _written_value(words: Iterator[str]) -> JsonValue:
    """Return the value that begins with the next token of a valid text."""
    word = next(words)
    match word[0]:
        case "[":
            return list(_elements(words))
        case "{":
            return dict(_members(words))
        case '"':
            return JsonText.of(json.loads(word), word)
        case "t" | "f" | "n":
            return json.loads(word)
        case _:
            return JsonNumber(word)


def _elements(words: Iterator[str]) -> Iterator[JsonValue]:
    for word in words:
        if word == "]":
            return
        if word != ",":
            yield _written_value(chain([word], words))


def _members(words: Iterator[str]) -> Iterator[tuple[str, JsonValue]]:
    for word in words:
        if word == "}":
            return
        if word != ",":
            next(words)
            yield json.loads(word), _written_value(words)


def read_json(part: Part, reason: Reason = Reason.UNREADABLE) -> Any:
    """Return the value of a part in JSON. Raises ComposeError with ``reason``, or TOO_LARGE."""
    if len(part.content) > MAX_BYTES:
        message = f"larger than {MAX_BYTES >> 20} MiB: is this the right file?"
        raise ComposeError(message, part.name, None, Reason.TOO_LARGE)
    try:
        value = json.loads(part.content, object_pairs_hook=_distinct, parse_constant=_reject_constant)
        _check(value)
    except json.JSONDecodeError as error:
        message = f"not valid JSON: {error.msg}; check this line and the one before it"
        raise ComposeError(message, part.name, error.lineno, reason) from None
    except UnicodeDecodeError:
        raise ComposeError("not UTF-8: save the file as UTF-8", part.name, None, reason) from None
    except UnicodeEncodeError:
        message = "a text in this JSON has half of a surrogate pair (\\ud800 to \\udfff): write the character"
        raise ComposeError(message, part.name, None, reason) from None
    except RecursionError:
        message = f"nested deeper than {MAX_DEPTH} levels: make it flatter"
        raise ComposeError(message, part.name, None, Reason.TOO_LARGE) from None
    except ValueError as error:
        message = f"this JSON cannot be used: {_value_error(error)}"
        raise ComposeError(message, part.name, None, reason) from None
    return value


def line_of_element(text: str, index: int) -> int:
    """Return the line of an element of the list that a valid JSON text is, counted from 1."""
    at = text.index("[") + 1
    for _ in range(index):
        _, at = json.JSONDecoder().raw_decode(text, _start(text, at))
    return text.count("\n", 0, _start(text, at)) + 1


def _start(text: str, at: int) -> int:
    """Return where the next element starts."""
    match = _BETWEEN_ELEMENTS.match(text, at)
    return match.end() if match else at


def _check(value: Any) -> None:
    """Raise RecursionError, UnicodeEncodeError or ValueError for a value that no YAML file could have."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                "".join(item).encode()
                inner += item.values()
            elif isinstance(item, list):
                inner += item
            elif isinstance(item, str):
                item.encode()
            elif isinstance(item, float) and not math.isfinite(item):
                raise ValueError("a number in it is too large")
        level = inner
    raise RecursionError


def _value_error(error: ValueError) -> str:
    # The messages of Python's json are for Python programmers.
    return "a number in it is too long, shorten it" if "integer string" in str(error) else str(error)


def _reject_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number in JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = dict(pairs)
    if len(found) != len(pairs):
        repeated, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {repeated!r} is repeated; keep one of them")
    return found
