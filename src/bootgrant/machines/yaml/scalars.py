"""What a YAML scalar means, by three sets of rules.

- YAML 1.2's core schema, for ``machines.yaml``: ``yes`` is a text, ``0o17`` is 15, ``012`` is 12.
- go-yaml v4, for Talos: YAML 1.2 with leftovers of 1.1. ``yes`` and ``on`` are texts, ``010`` and ``0o10`` are octal,
  ``1_000`` is a number, and an unquoted date is a date.
- yaml.v2, for documents that a JSON patch goes through: go-yaml's rules, but ``yes``, ``on`` and ``y`` are booleans.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from bootgrant.machines.yaml.reading import MappingNode, Node, ScalarNode, SequenceNode


@dataclass(frozen=True, slots=True)
class Timestamp:
    """An unquoted date or time, usually written by mistake."""

    text: str


PlainValue = str | int | float | bool | None | Timestamp
CoreValue = str | int | float | bool | None | list["CoreValue"] | dict[str, "CoreValue"]

_FIXED: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
OLD_BOOLEANS: Final[dict[str, bool]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_NEGATIVE_ZERO: Final = frozenset(("-0", "-0.0"))
_INFINITY: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)")
_NOT_A_NUMBER: Final = frozenset((".nan", ".NaN", ".NAN"))
_INTEGER: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TIME: Final = r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?"
_TIMESTAMP: Final = re.compile(
    rf"([0-9]{{4}})-([0-9]{{1,2}})-([0-9]{{1,2}})(?:[Tt]{_TIME}(?:Z|[-+]([0-9]{{2}}):([0-9]{{2}}))| {_TIME})?"
)
_CORE_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_CORE_INTEGER_WITH_BASE: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_LONGEST_CORE_NUMBER: Final = 64
_TAG: Final = "tag:yaml.org,2002:"
_CORE_TAGS: Final = frozenset(_TAG + name for name in ("null", "bool", "int", "float"))
_BASE_60: Final = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_LONGEST_NUMBER: Final = 400
_FIRST_EXPONENT: Final = 6
INT64_MAX: Final = 2**63 - 1


def core_value(node: Node) -> CoreValue:
    """Return a node as Python values, by the core schema of YAML 1.2."""
    match node:
        case MappingNode():
            return {key.text: core_value(value) for key, value in node.pairs}
        case SequenceNode():
            return [core_value(item) for item in node.items]
        case ScalarNode():
            return _core_scalar(node.text) if node.plain or node.tag in _CORE_TAGS else node.text


def _core_scalar(text: str) -> CoreValue:
    if text in _FIXED:
        return _FIXED[text]
    if len(text) > _LONGEST_CORE_NUMBER:
        return text
    if _CORE_INTEGER.fullmatch(text):
        return int(text)
    if _CORE_INTEGER_WITH_BASE.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def plain_value(text: str) -> PlainValue:
    """Return what a plain scalar is to go-yaml v4. An integer of more than 64 bits is a float."""
    if text in _FIXED:
        return _FIXED[text]
    first = text[0]
    if first == ".":
        if text in _NOT_A_NUMBER:
            return float("nan")
        return _number(text)
    if first in "+-0123456789":
        return Timestamp(text) if _is_timestamp(text) else _number(text)
    return text


def _is_timestamp(text: str) -> bool:
    """Whether Go's ``time.Parse`` takes a text for a date that exists."""
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return False
    year, month, day, hour, minute, second, zone_hour, zone_minute, *other = (int(part or 0) for part in match.groups())
    hour, minute, second = max(hour, other[0]), max(minute, other[1]), max(second, other[2])
    if hour > 23 or max(minute, second, zone_minute) > 59 or zone_hour > 24:
        return False
    try:
        # Every fourth century has the same days, and Python has no year 0.
        date(year or 400, month, day)
    except ValueError:
        return False
    return True


def old_plain_value(text: str) -> PlainValue:
    """Return what a plain scalar is to yaml.v2. Dates are texts."""
    if text in OLD_BOOLEANS:
        return OLD_BOOLEANS[text]
    if text == "-0":
        return 0
    value = plain_value(text)
    return value.text if isinstance(value, Timestamp) else value


def _number(text: str) -> int | float | str:
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INFINITY.fullmatch(text):
        return float("-inf") if text[0] == "-" else float("inf")
    digits = text if text[0] == "." else text.replace("_", "")
    if text in _NEGATIVE_ZERO:
        return -0.0
    if (match := _INTEGER.fullmatch(digits)) and text[0] != ".":
        value = _integer(match)
        if -(2**63) <= value < 2**63 or (value < 2**64 and not match[1]):
            return value
    if _FLOAT.fullmatch(digits) and math.isfinite(number := float(digits)):
        return number
    return text


def _integer(match: re.Match[str]) -> int:
    sign, hexadecimal, binary, octal, decimal = match.groups()
    for written, base in ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10)):
        if written:
            value = int(written, base)
            return -value if sign == "-" else value
    return 0


def rfc3339(timestamp: Timestamp) -> str:
    """Return a date as Go writes it: ``2024-01-02T00:00:00Z``, with its own time zone if it has one."""
    match = _TIMESTAMP.fullmatch(timestamp.text)
    if match is None:
        return timestamp.text
    year, month, day, *times = match.groups()
    hour, minute, second = (int(times[at] or times[at + 5] or 0) for at in range(3))
    fraction = re.search(r"[.,]([0-9]{1,9})", timestamp.text)
    part = fraction[1].rstrip("0") if fraction else ""
    zone = timestamp.text[-6:] if times[3] and timestamp.text[-5:] != "00:00" else "Z"
    time = f"{hour:02d}:{minute:02d}:{second:02d}{'.' if part else ''}{part}"
    return f"{year}-{int(month):02d}-{int(day):02d}T{time}{zone}"


def looks_different_to_yaml_1_1(text: str) -> bool:
    """Whether YAML 1.1 reads this plain text as a boolean or a number in base 60."""
    return text in OLD_BOOLEANS or _BASE_60.fullmatch(text) is not None


def float_text(value: float) -> str:
    """Return a float as Go's ``strconv.FormatFloat(value, 'g', -1, 64)`` writes it, or ``.inf`` or ``.nan``."""
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    exact = Decimal(repr(value)).normalize()
    sign, digits, exponent = exact.as_tuple()
    power = len(digits) + int(exponent) - 1
    if -4 <= power < _FIRST_EXPONENT:
        return f"{exact:f}"
    first, *others = (str(digit) for digit in digits)
    return f"{'-' if sign else ''}{first}{'.' if others else ''}{''.join(others)}e{power:+03d}"
