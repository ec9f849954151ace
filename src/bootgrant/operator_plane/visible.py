"""Text of strangers, safe to look at: what is unseen, moves other text or only looks like a letter is marked."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import groupby
from typing import Final

MOST_SHOWN: Final = 256
"""Characters of one variable on a page; what is longer is cut, and the page says by how much."""

_SEEN: Final = frozenset("LNPS")
_BLANK: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")


@dataclass(frozen=True, slots=True)
class Run:
    """Some characters in a row. ``note`` names the code points of a marked run, and is empty for plain ASCII."""

    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A text as runs; ``cut`` is the number of characters left out at its end."""

    runs: tuple[Run, ...]
    cut: int = 0

    @property
    def is_odd(self) -> bool:
        """Whether something is marked or cut: no hardware that we know names itself so."""
        return self.cut > 0 or any(run.note for run in self.runs)

    @property
    def plain(self) -> str:
        """As one text that is safe to paste anywhere: what is not seen stands there as its number."""
        return "".join(run.text for run in self.runs)


def show(text: str, most: int = MOST_SHOWN) -> Shown:
    """Plain ASCII as it is; of the rest each character marked, and as its number where it would not be seen."""
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
    """The character where it has ink of its own; else its number: controls, spaces, combining and direction marks."""
    if unicodedata.category(character)[0] in _SEEN and character not in _BLANK:
        return character
    return f"U+{ord(character):04X}"


def _name(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, '')}".strip()
