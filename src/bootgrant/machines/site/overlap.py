"""Whether two patterns share a value, and which one: every pair of positions is looked at once, without going back.

A row is a set of positions in the other pattern, as the bits of a number: those that the text read so far can lead to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_HEX: Final = "0123456789abcdef"
_ANY: Final = "x"


class _Bits:
    """The positions of one pattern where its character is a star, or can be a given character."""

    def __init__(self, text: str) -> None:
        self.star = _positions(text, "*")
        self.single = ((1 << len(text)) - 1) & ~self.star
        self._question = _positions(text, "?")
        self._by_char = {char: _positions(text, char) for char in set(text) - {"*", "?"}}

    def can_be(self, char: str) -> int:
        """Positions of a single character that can be ``char``; of ``?`` any."""
        return self.single if char == "?" else self._question | self._by_char.get(char, 0)

    def can_be_one_of(self, chars: str) -> int:
        found = self._question
        for char in chars:
            found |= self._by_char.get(char, 0)
        return found


def _positions(text: str, wanted: str) -> int:
    bits = 0
    for at, char in enumerate(text):
        if char == wanted:
            bits |= 1 << at
    return bits


def shared_text(one: str, other: str) -> str | None:
    """Return a text, not empty, that matches both patterns; None if there is none.

    Patterns have no two stars in a row.
    """
    bits = _Bits(other)
    row, rows = 1, []
    for char in (*one, ""):
        row |= (row & bits.star) << 1
        if char == "*":
            # A star takes whatever the other pattern has from here on.
            row = ((1 << (len(other) + 1)) - 1) & ~((row & -row) - 1) if row else 0
        rows.append(row)
        if char and char != "*":
            row = ((row & bits.can_be(char)) << 1) | (row & bits.star)
    if not rows[-1] >> len(other) & 1:
        return None
    return _read_back(one, other, rows) or _ANY


def _read_back(one: str, other: str, rows: list[int]) -> str:
    """Return a text that leads to the end of both patterns, by the steps that add no character where there are any."""
    left, right, text = len(one), len(other), ""
    while left or right:
        before, there = one[left - 1 : left], other[right - 1 : right]
        if there == "*" and _has(rows[left], right - 1):
            right -= 1
        elif before == "*" and _has(rows[left - 1], right):
            left -= 1
        elif (
            before
            and there
            and "*" not in (before, there)
            and _has(rows[left - 1], right - 1)
            and _agree(before, there)
        ):
            text = _filled(before, there) + text
            left, right = left - 1, right - 1
        elif before and before != "*" and other[right : right + 1] == "*" and _has(rows[left - 1], right):
            text = _filled(before, "?") + text
            left -= 1
        else:
            text = _filled(there, "?") + text
            right -= 1
    return text


def _has(row: int, position: int) -> bool:
    return bool(row >> position & 1)


def _agree(one: str, other: str) -> bool:
    return one == other or "?" in (one, other)


def _filled(one: str, other: str) -> str:
    return next((char for char in (one, other) if char != "?"), _ANY)


def shared_text_of_shape(one: str, other: str, shape: str) -> str | None:
    """The same for values that all have this ``shape``, in which ``h`` is a hexadecimal digit."""
    if any(len(text) - text.count("*") > len(shape) for text in (one, other)):
        return None
    bits = _Bits(other)
    classes = {kind: bits.can_be_one_of(_HEX if kind == "h" else kind) for kind in set(shape)}
    rows = [1, *([0] * len(one))]
    levels = []
    for kind in (*shape, ""):
        _close(rows, one, bits)
        levels.append(rows)
        rows = _after(rows, one, bits, kind, classes)
    if not _has(levels[-1][-1], len(other)):
        return None
    return _read_back_shape(one, other, shape, levels)


def _close(rows: list[int], one: str, bits: _Bits) -> None:
    """Add what is reached without a character: past a star of either pattern."""
    for at, row in enumerate(rows):
        rows[at] = row | (row & bits.star) << 1
        if one[at : at + 1] == "*":
            rows[at + 1] |= rows[at]


def _after(rows: list[int], one: str, bits: _Bits, kind: str, classes: Mapping[str, int]) -> list[int]:
    """Return the rows after one more character of this kind."""
    made = [0] * len(rows)
    for at, (row, char) in enumerate(zip(rows, one, strict=False)):
        if not row or not kind:
            continue
        if char in ("*", "?"):
            moved = (row & classes[kind]) << 1 | (row & bits.star)
            made[at if char == "*" else at + 1] |= moved
        elif char in (_HEX if kind == "h" else kind):
            made[at + 1] |= (row & bits.can_be(char)) << 1 | (row & bits.star)
    return made


def _read_back_shape(one: str, other: str, shape: str, levels: list[list[int]]) -> str:
    left, right, level, text = len(one), len(other), len(shape), ""
    while left or right or level:
        before, there, rows = one[left - 1 : left], other[right - 1 : right], levels[level]
        if there == "*" and _has(rows[left], right - 1):
            right -= 1
            continue
        if before == "*" and _has(rows[left - 1], right):
            left -= 1
            continue
        level -= 1
        wanted = _HEX if shape[level] == "h" else shape[level]
        for step_left, step_right in ((1, 1), (1, 0), (0, 1), (0, 0)):
            here, away = _taken(one, left, step_left), _taken(other, right, step_right)
            char = next((each for each in (here, away) if each not in "*?"), wanted[0])
            is_possible = here and away and char in wanted and all(each in ("*", "?", char) for each in (here, away))
            if is_possible and _has(levels[level][left - step_left], right - step_right):
                left, right, text = left - step_left, right - step_right, char + text
                break
    return text


def _taken(text: str, position: int, step: int) -> str:
    """The character of a pattern that a step back gives: a single one that is passed, or a star that stays."""
    char = text[position - 1 : position] if step else text[position : position + 1]
    return char if (char == "*") is (step == 0) else ""
