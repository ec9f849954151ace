"""The order in which go-yaml writes keys: numbers in them count as numbers, letters come after the rest."""

from __future__ import annotations

from collections.abc import Collection
from functools import cmp_to_key


def natural_order(keys: Collection[str]) -> list[str]:
    """The keys in that order: ``a9`` before ``a10``."""
    return sorted(keys, key=cmp_to_key(compare_keys)) if len(keys) > 1 else list(keys)


def compare_keys(left: str, right: str) -> int:
    """Negative when ``left`` comes first, positive when ``right`` does, 0 for equal keys."""
    if left == right:
        return 0
    at = next((index for index, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), None)
    if at is None:
        return len(left) - len(right)
    one, other = left[at], right[at]
    if one.isalpha() and other.isalpha():
        return -1 if one < other else 1
    if one.isalpha() or other.isalpha():
        # Behind a digit the letter comes first ("a1b" before "a1-"), elsewhere last.
        letter_first = at > 0 and left[at - 1].isdigit()
        return -1 if one.isalpha() == letter_first else 1
    return _compare_digits(left, right, at)


def _compare_digits(left: str, right: str, at: int) -> int:
    """Both differ from ``at`` on, and neither has a letter there: numbers by value, then by length, then characters."""
    goes_on = "0" in (left[at], right[at]) and _has_a_digit_before(left, at)
    one, one_end = _digits(left, at, goes_on)
    other, other_end = _digits(right, at, goes_on)
    if one != other:
        return -1 if (len(one), one) < (len(other), other) else 1
    if one_end != other_end:
        return -1 if one_end < other_end else 1
    return -1 if left[at] < right[at] else 1


def _has_a_digit_before(text: str, at: int) -> bool:
    """Whether the number that goes on at ``at`` began with something else than zeros."""
    while at > 0 and text[at - 1].isdecimal():
        at -= 1
        if text[at] != "0":
            return True
    return False


def _digits(text: str, at: int, goes_on: bool) -> tuple[str, int]:
    """The number from ``at`` on, as digits that compare by length and then as text, and where it ends."""
    end = at
    while end < len(text) and text[end].isdecimal():
        end += 1
    return text[at:end] if goes_on else text[at:end].lstrip("0"), end
