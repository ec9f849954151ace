"""Untrusted text made safe to read: invisible, reordering and look-alike characters are marked."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import groupby
from typing import Final

MOST_SHOWN: Final = 256
"""Characters of one variable on a page. Longer values are cut, and the page says by how much."""

_SEEN: Final = frozenset("LNPS")
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive characters. ``note`` names the code point of a marked character and is empty for plain ASCII."""

    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A text as runs. ``cut`` is the number of characters removed from its end."""

    runs: tuple[Run, ...]
    cut: int = 0

    @property
    def is_odd(self) -> bool:
        """Whether anything is marked or cut. No known hardware has such a name."""
        return self.cut > 0 or any(run.note for run in self.runs)

    @property
    def plain(self) -> str:
        """The text in a form that is safe to paste anywhere, with invisible characters as code points."""
        return "".join(run.text for run in self.runs)


def show(text: str, most: int = MOST_SHOWN) -> Shown:
    """Split a text into runs: plain ASCII unchanged, any other character marked, and as a code point if invisible."""
    runs: list[Run] = []
    for plain, group in groupby(text[:most], key=_is_plain):
        if plain:
            runs.append(Run("".join(group)))
        else:
            runs += [Run(_seen_form(character), _name(character)) for character in group]
    return Shown(tuple(runs), max(0, len(text) - most))


def _is_plain(character: str) -> bool:
    return " " <= character <= "~"


def _seen_form(character: str) -> str:
    """Return a character that is visible by itself, or else its code point (controls, spaces, combining marks, …)."""
    if unicodedata.category(character)[0] in _SEEN and character not in _BLANK:
        return character
    return f"U+{ord(character):04X}"


def _name(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip()
