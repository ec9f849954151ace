"""Sizes as Talos reads and writes them: ``10GiB``, ``50%``, ``>= 500GB`` (github.com/dustin/go-humanize).

Each reader raises ValueError that says what to write.
"""

from __future__ import annotations

import math
import re
from typing import Final

from bootgrant.machines.yaml.reading import quoted
from bootgrant.wire.go_text import trim_space

_UNITS: Final[dict[str, int]] = {
    "": 1,
    "b": 1,
    **{f"{letter}{end}": 1000**power for power, letter in enumerate("kmgtpe", 1) for end in ("", "b")},
    **{f"{letter}i{end}": 1024**power for power, letter in enumerate("kmgtpe", 1) for end in ("", "b")},
}
_SHOWN_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_SIZE: Final = re.compile(r"([0-9.,]*)(.*)", re.DOTALL)
_DECIMAL: Final = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")
_DIGITS: Final = r"[0-9](?:_?[0-9])*"
_HEXADECIMAL: Final = r"[0-9a-f](?:_?[0-9a-f])*"
_FLOAT: Final = re.compile(rf"[-+]?(?:{_DIGITS}\.?(?:{_DIGITS})?|\.{_DIGITS})(?:e[-+]?{_DIGITS})?", re.IGNORECASE)
_HEXADECIMAL_FLOAT: Final = re.compile(
    rf"[-+]?0x_?(?:{_HEXADECIMAL}\.?(?:{_HEXADECIMAL})?|\.{_HEXADECIMAL})p[-+]?{_DIGITS}", re.IGNORECASE
)
_CONDITION: Final = re.compile(r"(?:>=|<=|>|<|==)?(.*)\Z")
_LIMIT: Final = 2.0**64
_LONGEST: Final = 200
_HINT: Final = "is not a size: write a number with a unit, such as 10GB or 100GiB"
_PERCENTAGE_HINT: Final = "is not a percentage: write a number from 0 to 100 and %, such as 50%"


def byte_size(text: str) -> int:
    """Return the bytes of ``10GB``, ``1.5 GiB`` or ``1,000`` (``humanize.ParseBytes``)."""
    if len(text) > _LONGEST:
        raise ValueError(f"this {_HINT}")
    match = _SIZE.fullmatch(text)
    number = match[1].replace(",", "") if match else ""
    unit = _UNITS.get(trim_space(match[2]).lower()) if match else None
    if unit is None or not _DECIMAL.fullmatch(number):
        raise ValueError(f"{quoted(text)} {_HINT}")
    size = float(number) * float(unit)
    if size >= _LIMIT:
        raise ValueError(f"{quoted(text)} is too large: write a size below 16 EiB")
    return int(size)


def size_shown(size: int) -> str:
    """Return a size as ``100 GB``, rounded, with one decimal below 10 (``humanize.Bytes``)."""
    if size < 10:
        return f"{size} B"
    # Floating point as in Go: a logarithm of 1000 that comes out a little too small shows 1 MB as 1000 kB.
    power = math.floor(math.log(float(size)) / math.log(1000.0))
    value = math.floor(float(size) / 1000.0**power * 10 + 0.5) / 10
    return f"{value:.1f} {_SHOWN_UNITS[power]}" if value < 10 else f"{value:.0f} {_SHOWN_UNITS[power]}"


def exact_size(size: int) -> str | int:
    """Return a size as ``100 GB`` if that text says exactly as many bytes, otherwise the number of bytes."""
    if size % 1000 == 0:
        shown = size_shown(size)
        if byte_size(shown) == size:
            return shown
    return size


def checked_size(text: str) -> str:
    """Return the text if it is a size, which may be negative; empty stays empty. Talos keeps it as it is written."""
    if text:
        byte_size(text.removeprefix("-"))
    return text


def unsigned_size(text: str) -> str:
    """Return the text if it is a size that does not begin with ``-``; empty stays empty."""
    check_sign(text)
    return checked_size(text)


def check_sign(text: str) -> None:
    """Raise ValueError for a size that begins with ``-``, which Talos takes since 1.13."""
    if text.startswith("-"):
        raise ValueError(f"{text!r} {_HINT}")


def percentage(text: str) -> str:
    """Return the text if it is a percentage such as ``50%``, ``33.5%`` or ``-10%``. ``NaN%`` is one in Go."""
    value = _float(text.removeprefix("-").removesuffix("%"))
    if not text.endswith("%") or value is None or value < 0 or value > 100:
        raise ValueError(f"{quoted(text)} {_PERCENTAGE_HINT}")
    return text


def _float(text: str) -> float | None:
    """Return what Go's ``strconv.ParseFloat`` reads, None if it is not a number: ``1_0``, ``0x1p4`` and ``nan`` are."""
    if _FLOAT.fullmatch(text):
        return float(text)
    if _HEXADECIMAL_FLOAT.fullmatch(text):
        try:
            return float.fromhex(text.replace("_", ""))
        except OverflowError:
            return math.inf
    return math.nan if text.lower() == "nan" else None


def size_condition(text: str) -> str:
    """Return the text without blanks around it if it compares with a size, such as ``>= 500GB``."""
    trimmed = trim_space(text)
    match = _CONDITION.search(trimmed)
    byte_size(trim_space(match[1] if match else ""))
    return trimmed
