"""The values in an entry's ``match``: exact, or a pattern with ``*`` (any characters) and ``?`` (one character).

Values are in the canonical form of their variable, so ``52-54-00-*`` and ``52:54:00:*`` are the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

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
    _regex: re.Pattern[str] = field(repr=False, compare=False)

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
        return any(self._regex.fullmatch(form) is not None for form in forms)

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
        return Pattern(variable, exact, folded(variable, exact), True, len(exact), 0, re.compile(""))
    text = text.lower() if variable in ("uuid", "mac", "hostname") else text
    text = text.replace("-", ":") if variable == "mac" else text
    if not _ALLOWED[variable].fullmatch(text):
        raise PatternError(f"no {variable} matches {written!r}: write hexadecimal digits, * and ?")
    singles = text.count("?")
    made = Pattern(variable, text, text, False, len(text) - singles - text.count("*"), singles, _compiled(text))
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


def _compiled(text: str) -> re.Pattern[str]:
    # Atomic groups: each piece matches where it first fits and is not tried again, so no text takes long.
    first, *others = text.split("*")
    if not others:
        return re.compile(_escaped(first), re.DOTALL)
    *middle, last = others
    runs = "".join(f"(?>.*?{_escaped(piece)})" for piece in middle)
    return re.compile(f"{_escaped(first)}{runs}.*{_escaped(last)}", re.DOTALL)


def _escaped(piece: str) -> str:
    return "".join("." if char == "?" else re.escape(char) for char in piece)


def common(one: Pattern, other: Pattern) -> str | None:
    """Return a value that both match, or None if no machine can have one."""
    if one.is_exact or other.is_exact:
        exact, free = (one, other) if one.is_exact else (other, one)
        return exact.text if free.matches(exact.text) else None
    (begins, begun), (ends, ended) = (one.beginning, other.beginning), (one.ending, other.ending)
    if not (begins.startswith(begun) or begun.startswith(begins)) or not (ends.endswith(ended) or ended.endswith(ends)):
        return None
    return _walk(one.text, other.text, _SHAPES.get(one.variable))


def _walk(one: str, other: str, shape: str | None) -> str | None:
    """Return the shortest text that matches both patterns and the shape, by a breadth-first search."""
    todo: list[tuple[int, int, str]] = [(0, 0, "")]
    seen = {(0, 0, 0)}
    for left, right, text in todo:
        if left == len(one) and right == len(other) and text and (shape is None or len(text) == len(shape)):
            return text
        for step in _steps(one, other, left, right):
            after = (step[0], step[1], text + _filled(step[2], text, shape))
            place = (step[0], step[1], len(after[2]) if shape else min(1, len(after[2])))
            if place not in seen and _fits(after[2], shape):
                seen.add(place)
                todo.append(after)
    return None


def _steps(one: str, other: str, left: int, right: int) -> list[tuple[int, int, str]]:
    """Return the next positions in both patterns, each with the character that both match; ``?`` is any."""
    here = one[left] if left < len(one) else ""
    there = other[right] if right < len(other) else ""
    steps = []
    if here == "*":
        steps.append((left + 1, right, ""))
    if there == "*":
        steps.append((left, right + 1, ""))
    if here and there:
        shared = next((char for char in (here, there) if char not in "*?"), "?")
        if all(char in ("*", "?", shared) for char in (here, there)):
            steps.append((left + (here != "*"), right + (there != "*"), shared))
    return steps


def _filled(char: str, text: str, shape: str | None) -> str:
    if char != "?":
        return char
    if shape is None:
        return "x"
    wanted = shape[len(text)] if len(text) < len(shape) else ""
    return "0" if wanted == "h" else wanted


def _fits(text: str, shape: str | None) -> bool:
    """Whether the last character fits the shape, in which ``h`` is a hexadecimal digit."""
    if shape is None or not text:
        return True
    if len(text) > len(shape):
        return False
    wanted = shape[len(text) - 1]
    return text[-1] in "0123456789abcdef" if wanted == "h" else text[-1] == wanted
