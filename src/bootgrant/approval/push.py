"""Which waiting machines a person wants to hear of on one of their phones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bootgrant.approval.policy import BadSelector, Entry, Selector, parse_selector

MOST_SELECTORS: Final = 16


@dataclass(frozen=True, slots=True)
class Wishes:
    """``known``: machines with an entry; ``unknown``: those without one. ``second``: machines that have an
    approval and need another person. ``selectors`` narrow ``known`` and ``second`` to entries that any of them matches.
    """

    known: bool = True
    unknown: bool = True
    second: bool = True
    selectors: tuple[Selector, ...] = ()

    def want(self, entry: Entry | None) -> bool:
        """Return whether a new request is wanted, whose machine has this entry or none."""
        return self.unknown if entry is None else self.known and self._selected(entry)

    def want_second(self, entry: Entry) -> bool:
        """Return whether a request is wanted that needs another person."""
        return self.second and self._selected(entry)

    def _selected(self, entry: Entry) -> bool:
        return not self.selectors or any(selector.matches(entry) for selector in self.selectors)


def parse_selectors(text: str) -> tuple[Selector, ...]:
    """Parse selectors between spaces, such as ``site=fra,role=worker rack4-*``. Raises BadSelector."""
    words = text.split()
    if len(words) > MOST_SELECTORS:
        raise BadSelector(f"write at most {MOST_SELECTORS} selectors, with a space between them")
    return tuple(parse_selector(word) for word in words)
