"""The values in an entry's ``match``: exact, or a pattern with ``*`` (any characters) and ``?`` (one character).

Values are in the canonical form of their variable, so ``52-54-00-*`` and ``52:54:00:*`` are the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from bootgrant.machines.site.overlap import shared_text, shared_text_of_shape
from bootgrant.wire.identity import canonical_mac, canonical_serial, canonical_uuid, swapped_uuid
from bootgrant.wire.limits import VARIABLE

_ALLOWED = {
    "uuid": re.compile(r"[0-9a-f\-*?]*"),
    "mac": re.compile(r"[0-9a-f:*?]*"),
    "serial": re.compile(r".*", re.DOTALL),
    "hostname": re.compile(r".*", re.DOTALL),
}
_SHAPES = {"mac": "hh:hh:hh:hh:hh:hh", "uuid": "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh"}


class PatternError(ValueError):
    """A value that no machine can have; the message says why and what to write."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """``literals`` counts the fixed characters and ``singles`` the ``?``: they say how specific a pattern is.

    ``text`` is the form in which a machine reports the value; ``key`` is equal for values that count as the same.
    """

    variable: str
    text: str
    key: str
    is_exact: bool
    literals: int
    singles: int

    @property
    def beginning(self) -> str:
        """The text that all its values begin with."""
        return self.text[: min((self.text.find(char) for char in "*?" if char in self.text), default=len(self.text))]

    @property
    def ending(self) -> str:
        """The text that all its values end with."""
        return self.text[1 + max(self.text.rfind("*"), self.text.rfind("?")) :]

    def matches(self, value: str) -> bool:
        """Whether a machine's canonical value is one of these. An empty value never is."""
        if not value or self.is_exact:
            return bool(value) and folded(self.variable, value) == self.key
        forms = (value, swapped_uuid(value)) if self.variable == "uuid" else (folded(self.variable, value),)
        return any(_fits(self.text, form) for form in forms)

    def __str__(self) -> str:
        return self.variable if self.is_exact else f"{self.variable} {self.text}"


def folded(variable: str, value: str) -> str:
    """Return the form in which values are compared: UUIDs in either byte order are equal, hostnames have no case."""
    if variable == "uuid":
        return min(value, swapped_uuid(value)) if value.count("-") == 4 else value
    return value.lower() if variable == "hostname" else value


def pattern(variable: str, written: str) -> Pattern:
    """Return a value of an entry's ``match`` as a pattern. Raises PatternError."""
    text = re.sub(r"\*+", "*", written.strip())
    if len(text) > VARIABLE:
        raise PatternError(f"longer than {VARIABLE} characters: shorten it")
    if "*" not in text and "?" not in text:
        exact = _exact(variable, text)
        return Pattern(variable, exact, folded(variable, exact), True, len(exact), 0)
    text = text.lower() if variable in ("uuid", "mac", "hostname") else text
    text = text.replace("-", ":") if variable == "mac" else text
    if not _ALLOWED[variable].fullmatch(text):
        raise PatternError(f"no {variable} matches {written!r}: write hexadecimal digits, * and ?")
    singles = text.count("?")
    made = Pattern(variable, text, text, False, len(text) - singles - text.count("*"), singles)
    if common(made, made) is None:
        raise PatternError(f"no {variable} matches {written!r}: its form is {_SHAPES[variable].replace('h', '0')}")
    return made


def _exact(variable: str, text: str) -> str:
    forms = {"uuid": canonical_uuid, "mac": canonical_mac, "serial": canonical_serial}
    found = forms[variable](text) if variable in forms else text
    if not found:
        forms_shown = {"uuid": " (8-4-4-4-12 hexadecimal digits)", "mac": " (six pairs of hexadecimal digits)"}
        shown = f"{text!r} is not a valid {variable}{forms_shown.get(variable, '')}"
        raise PatternError(f"{shown}: it is mistyped, or a placeholder that firmware reports")
    return found


def _fits(text: str, value: str) -> bool:
    """Whether a value matches a pattern. Each piece between stars is taken where it first fits, and not tried again."""
    first, *others = text.split("*")
    if not others:
        return len(first) == len(value) and _is_at(first, value, 0)
    *middle, last = others
    at, end = len(first), len(value) - len(last)
    if at > end or not _is_at(first, value, 0) or not _is_at(last, value, end):
        return False
    for piece in middle:
        at = _found(piece, value, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def _is_at(piece: str, value: str, at: int) -> bool:
    if "?" not in piece:
        return value.startswith(piece, at)
    return all(wanted in ("?", char) for wanted, char in zip(piece, value[at : at + len(piece)], strict=True))


def _found(piece: str, value: str, start: int, end: int) -> int:
    """Return the first place of a piece between ``start`` and ``end``; -1 if there is none."""
    if "?" not in piece:
        return value.find(piece, start, end)
    # The bits of `reached` are the beginnings of the piece that the text up to here ends with.
    places = _places(piece)
    reached, done = 0, 1 << (len(piece) - 1)
    for at in range(start, end):
        reached = (reached << 1 | 1) & (places["?"] | places.get(value[at], 0))
        if reached & done:
            return at - len(piece) + 1
    return -1


@lru_cache(1024)
def _places(piece: str) -> Mapping[str, int]:
    """The positions of each character of a piece, as the bits of a number."""
    places: dict[str, int] = {}
    for at, char in enumerate(piece):
        places[char] = places.get(char, 0) | 1 << at
    return places


def common(one: Pattern, other: Pattern) -> str | None:
    """Return a value that both match, or None if no machine can have one."""
    if one.is_exact or other.is_exact:
        exact, free = (one, other) if one.is_exact else (other, one)
        return exact.text if free.matches(exact.text) else None
    (begins, begun), (ends, ended) = (one.beginning, other.beginning), (one.ending, other.ending)
    if not (begins.startswith(begun) or begun.startswith(begins)) or not (ends.endswith(ended) or ended.endswith(ends)):
        return None
    shape = _SHAPES.get(one.variable)
    return shared_text_of_shape(one.text, other.text, shape) if shape else shared_text(one.text, other.text)
