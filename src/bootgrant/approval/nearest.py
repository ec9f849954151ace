"""What a name that nothing has may have meant: for error messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Final

from bootgrant.approval.policy import Entry, Selector

_MOST: Final = 3
_LEAST_ALIKE: Final = 0.5
_LENGTH: Final = 48


def nearest(wanted: str, known: Iterable[str]) -> list[str]:
    """Return at most three of the ``known`` names, the most similar first. Without similar ones, any three."""
    names = sorted(set(known))
    folded: dict[str, str] = {}
    for name in names:
        folded.setdefault(name.casefold(), name)
    alike = [folded[name] for name in get_close_matches(wanted.casefold()[:_LENGTH], folded, _MOST, _LEAST_ALIKE)]
    if alike and len(names) > _MOST:
        return alike
    return [*alike, *(name for name in names if name not in alike)][:_MOST]


def why_nothing_fits(selector: Selector, entries: Sequence[Entry]) -> str:
    """Return why no entry fits the selector, with the labels or names that it may have meant; empty when one fits."""
    if any(selector.matches(entry) for entry in entries):
        return ""
    if not entries:
        return f'no entry fits "{selector}": there are no entries at all'
    for key, pattern in selector.labels:
        values = [entry.labels[key] for entry in entries if key in entry.labels]
        if not values:
            keys = (each for entry in entries for each in entry.labels)
            return f'no entry has a label "{key}"; {_listed("label", "labels", key, keys)}'
        if not any(fnmatchcase(value, pattern) for value in values):
            listed = _listed(f"value of {key}", f"values of {key}", pattern, values)
            return f"no entry has {key}={pattern}; {listed}"
    for pattern in selector.names:
        if not any(fnmatchcase(entry.name, pattern) for entry in entries):
            names = (entry.name for entry in entries)
            return f'no entry is named "{pattern}"; {_listed("name", "names", pattern, names)}'
    return f'no entry fits all of "{selector}" together, although each part fits some entry'


def _listed(one: str, many: str, wanted: str, known: Iterable[str]) -> str:
    names = set(known)
    found = nearest(wanted, names)
    if not found:
        return f"there are no {many}"
    if len(names) == 1:
        return f"the only {one} is {found[0]}"
    if len(names) == len(found):
        return f"the {many} are {', '.join(found)}"
    return f"the nearest of {len(names)} {many}: {', '.join(found)}"
