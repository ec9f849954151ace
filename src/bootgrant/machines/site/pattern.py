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


_SHAPES = {"mac": "hh:hh:hh:hh:hh:hh", "uuid": "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh"}


class PatternError(ValueError):
    """A value that no machine can have; the text says why and what to write."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """``literals`` and ``singles`` count characters that are given and ``?``: how specific a pattern is.

    ``text`` is as a machine would say it; ``key`` is the same for values that count as one.
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
        """What its values all begin with."""
        return self.text[: min((self.text.find(char) for char in "*?" if char in self.text), default=len(self.text))]

    @property
    def ending(self) -> str:
        """What its values all end with."""
        return self.text[1 + max(self.text.rfind("*"), self.text.rfind("?")) :]

    def matches(self, value: str) -> bool:
        """Whether a machine's canonical value is one of these; an empty value is never."""
        if not value or self.is_exact:
            return bool(value) and folded(self.variable, value) == self.key
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
        exact = _exact(variable, text)
        return Pattern(variable, exact, folded(variable, exact), True, len(exact), 0, re.compile(""))
    text = text.lower() if variable in ("uuid", "mac", "hostname") else text
    text = text.replace("-", ":") if variable == "mac" else text
    if not _ALLOWED[variable].fullmatch(text):
        raise PatternError(f"no {variable} is like {written!r}: one has hexadecimal digits; * and ? stand for any")
    singles = text.count("?")
    made = Pattern(variable, text, text, False, len(text) - singles - text.count("*"), singles, _compiled(text))
    if common(made, made) is None:
        raise PatternError(f"no {variable} is like {written!r}: one has the form {_SHAPES[variable].replace('h', '0')}")
    return made


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
    """A value that both take, None when no machine has one (an empty value is no value)."""
    if one.is_exact or other.is_exact:
        exact, free = (one, other) if one.is_exact else (other, one)
        return exact.text if free.matches(exact.text) else None
    (begins, begun), (ends, ended) = (one.beginning, other.beginning), (one.ending, other.ending)
    if not (begins.startswith(begun) or begun.startswith(begins)) or not (ends.endswith(ended) or ended.endswith(ends)):
        return None
    return _walk(one.text, other.text, _SHAPES.get(one.variable))


def _walk(one: str, other: str, shape: str | None) -> str | None:
    """The shortest text of both patterns and of the shape, found place by place."""
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
    """The next positions, and the character that both take on the way; ``?`` is any."""
    here = one[left] if left < len(one) else ""
    there = other[right] if right < len(other) else ""
    steps = []
    if here == "*":
        steps.append((left + 1, right, ""))
    if there == "*":
        steps.append((left, right + 1, ""))
    if here and there:
        taken = next((char for char in (here, there) if char not in "*?"), "?")
        if all(char in ("*", "?", taken) for char in (here, there)):
            steps.append((left + (here != "*"), right + (there != "*"), taken))
    return steps


def _filled(char: str, text: str, shape: str | None) -> str:
    if char != "?":
        return char
    if shape is None:
        return "x"
    wanted = shape[len(text)] if len(text) < len(shape) else ""
    return "0" if wanted == "h" else wanted


def _fits(text: str, shape: str | None) -> bool:
    """The last character stands where the shape has one like it: a hexadecimal digit for ``h``."""
    if shape is None or not text:
        return True
    if len(text) > len(shape):
        return False
    wanted = shape[len(text) - 1]
    return text[-1] in "0123456789abcdef" if wanted == "h" else text[-1] == wanted
