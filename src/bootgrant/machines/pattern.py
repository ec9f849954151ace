"""The values that an entry may have for a variable: exact, or a pattern with ``*`` (any run) and ``?`` (one character).

Each is written in the canonical form of its variable, so that ``52-54-00-*`` and ``52:54:00:*`` are the same.
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


class PatternError(ValueError):
    """A value that no machine can have; the text says why and what to write."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """``literals`` and ``singles`` count characters that are given and ``?``: how specific a pattern is."""

    variable: str
    text: str
    is_exact: bool
    literals: int
    singles: int
    _regex: re.Pattern[str] = field(repr=False, compare=False)

    def matches(self, value: str) -> bool:
        """Whether a machine's canonical value is one of these; an empty value is never."""
        if not value or self.is_exact:
            return bool(value) and folded(self.variable, value) == self.text
        forms = (value, swapped_uuid(value)) if self.variable == "uuid" else (folded(self.variable, value),)
        return any(self._regex.fullmatch(form) is not None for form in forms)

    def __str__(self) -> str:
        return self.variable if self.is_exact else f"{self.variable} {self.text}"


def folded(variable: str, value: str) -> str:
    """The form in which values are compared: a UUID in either byte order is one, a hostname has no case."""
    if variable == "uuid":
        return min(value, swapped_uuid(value)) if value.count("-") == 4 else value
    return value.lower() if variable == "hostname" else value


def pattern(variable: str, written: str) -> Pattern:
    """The value that an entry's ``match`` gives for a variable. Raises PatternError."""
    text = re.sub(r"\*+", "*", written.strip())
    if len(text) > VARIABLE:
        raise PatternError(f"longer than {VARIABLE} characters")
    if "*" not in text and "?" not in text:
        return Pattern(variable, folded(variable, _exact(variable, text)), True, len(text), 0, re.compile(""))
    text = text.lower() if variable in ("uuid", "mac", "hostname") else text
    text = text.replace("-", ":") if variable == "mac" else text
    if not _ALLOWED[variable].fullmatch(text):
        raise PatternError(f"no {variable} is like {written!r}: it has hexadecimal digits, and * and ? beside them")
    singles = text.count("?")
    return Pattern(variable, text, False, len(text) - singles - text.count("*"), singles, _compiled(text))


def _exact(variable: str, text: str) -> str:
    forms = {"uuid": canonical_uuid, "mac": canonical_mac, "serial": canonical_serial}
    found = forms[variable](text) if variable in forms else text
    if not found:
        told = {"uuid": "8-4-4-4-12 hexadecimal digits", "mac": "six pairs of hexadecimal digits"}
        form = f" ({told[variable]})" if variable in told else ""
        raise PatternError(
            f"{text!r} is no {variable} that a machine can have{form}: mistyped, or what firmware says when nobody "
            "gave one"
        )
    return found


def _compiled(text: str) -> re.Pattern[str]:
    # Each piece is taken where it first fits and never tried again, so that no text takes long.
    first, *others = text.split("*")
    if not others:
        return re.compile(_escaped(first), re.DOTALL)
    *middle, last = others
    runs = "".join(f"(?>.*?{_escaped(piece)})" for piece in middle)
    return re.compile(f"{_escaped(first)}{runs}.*{_escaped(last)}", re.DOTALL)


def _escaped(piece: str) -> str:
    return "".join("." if char == "?" else re.escape(char) for char in piece)


def common(one: Pattern, other: Pattern) -> str | None:
    """A value that both take, None when there is none (an empty value is no value)."""
    if one.is_exact or other.is_exact:
        exact, free = (one, other) if one.is_exact else (other, one)
        return exact.text if free.matches(exact.text) else None
    return _walk(one.text, other.text, "0" if one.variable in ("uuid", "mac") else "x")


def _walk(one: str, other: str, filler: str) -> str | None:
    """The shortest text of both patterns, found place by place over pairs of positions."""
    todo: list[tuple[int, int, str]] = [(0, 0, "")]
    seen = {(0, 0)}
    for left, right, text in todo:
        if left == len(one) and right == len(other):
            return text or filler
        for step in _steps(one, other, left, right, filler):
            if step[:2] not in seen:
                seen.add(step[:2])
                todo.append((step[0], step[1], text + step[2]))
    return None


def _steps(one: str, other: str, left: int, right: int, filler: str) -> list[tuple[int, int, str]]:
    here = one[left] if left < len(one) else ""
    there = other[right] if right < len(other) else ""
    steps = []
    if here == "*":
        steps.append((left + 1, right, ""))
    if there == "*":
        steps.append((left, right + 1, ""))
    if here and there:
        taken = next((char for char in (here, there) if char not in "*?"), filler)
        if all(char in ("*", "?", taken) for char in (here, there)):
            steps.append((left + (here != "*"), right + (there != "*"), taken))
    return steps
