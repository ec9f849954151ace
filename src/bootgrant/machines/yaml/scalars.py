"""What a plain YAML scalar means to Talos: the rules of go-yaml v4, and those of yaml.v2 that JSON patches use.

go-yaml v4 reads YAML 1.2 with leftovers of 1.1: ``true`` and ``false`` are booleans, ``yes`` and ``on`` are texts;
``010`` is octal, ``0o10`` too, ``1_000`` is a number. yaml.v2 reads ``yes``, ``on`` and ``y`` as booleans.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A date or time without quotes: what YAML takes it for, and hardly anybody means."""

    text: str


PlainValue = str | int | float | bool | None | Timestamp

_FIXED: Final[dict[str, bool | None]] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}
OLD_BOOLEANS: Final[dict[str, bool]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
}
_INFINITY: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)")
_NOT_A_NUMBER: Final = frozenset((".nan", ".NaN", ".NAN"))
_INTEGER: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_TIMESTAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}"
    r"(?:[Tt][0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?(?:Z|[-+][0-9]{2}:[0-9]{2})"
    r"| [0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(?:\.[0-9]+)?)?"
)
_BASE_60: Final = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?")
_LONGEST_NUMBER: Final = 400
_FIRST_EXPONENT: Final = 6
INT64_MAX: Final = 2**63 - 1


def plain_value(text: str) -> PlainValue:
    """What a scalar without quotes and without a tag is. An integer past 64 bits is a float."""
    if text in _FIXED:
        return _FIXED[text]
    first = text[0]
    if first == ".":
        if text in _NOT_A_NUMBER:
            return float("nan")
        return _number(text)
    if first in "+-0123456789":
        if _TIMESTAMP.fullmatch(text):
            return Timestamp(text)
        return _number(text)
    return text


def old_plain_value(text: str) -> PlainValue:
    """The same in YAML 1.1 as yaml.v2 reads it, for documents that a JSON patch goes through: dates are texts."""
    if text in OLD_BOOLEANS:
        return OLD_BOOLEANS[text]
    value = plain_value(text)
    return value.text if isinstance(value, Timestamp) else value


def _number(text: str) -> int | float | str:
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INFINITY.fullmatch(text):
        return float("-inf") if text[0] == "-" else float("inf")
    digits = text if text[0] == "." else text.replace("_", "")
    if (match := _INTEGER.fullmatch(digits)) and text[0] != ".":
        value = _integer(match)
        if -(2**63) <= value < 2**63 or (value < 2**64 and not match[1]):
            return value
    return float(digits) if _FLOAT.fullmatch(digits) else text


def _integer(match: re.Match[str]) -> int:
    sign, hexadecimal, binary, octal, decimal = match.groups()
    for written, base in ((hexadecimal, 16), (binary, 2), (octal, 8), (decimal, 10)):
        if written:
            value = int(written, base)
            return -value if sign == "-" else value
    return 0


def tempts_old_readers(text: str) -> bool:
    """Whether a YAML 1.1 reader would take this plain text for a boolean or a number of base 60."""
    return text in OLD_BOOLEANS or _BASE_60.fullmatch(text) is not None


def float_text(value: float) -> str:
    """A float as Go's ``strconv.FormatFloat(value, 'g', -1, 64)`` writes it; YAML's names for what is no number."""
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    mantissa, _, exponent = f"{value!r}".partition("e")
    sign, mantissa = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    power = int(exponent or 0) + len(whole) - 1
    digits = whole + fraction
    stripped = digits.lstrip("0")
    power -= len(digits) - len(stripped)
    digits = stripped.rstrip("0") or "0"
    if digits == "0":
        return f"{sign}0"
    if power < -4 or power >= _FIRST_EXPONENT:
        return f"{sign}{digits[0]}{'.' + digits[1:] if digits[1:] else ''}e{power:+03d}"
    return sign + _positional(digits, power)


def _positional(digits: str, power: int) -> str:
    if power < 0:
        return "0." + "0" * (-power - 1) + digits
    if len(digits) <= power + 1:
        return digits.ljust(power + 1, "0")
    return f"{digits[: power + 1]}.{digits[power + 1 :]}"
