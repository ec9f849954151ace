"""What speaks for a machine's claim, and what against it. A check says one thing; unknown is never a match."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DETAIL_LENGTH: Final = 300
"""Characters of a check's detail."""


class Verdict(StrEnum):
    MATCH = "match"
    MISMATCH = "mismatch"
    UNKNOWN = "unknown"


_WORST_FIRST: Final = (Verdict.MISMATCH, Verdict.UNKNOWN, Verdict.MATCH)


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. ``name`` says who found it (network, inventory, history, or a command of the site); several
    checks may have one name. ``detail`` is one line for a person."""

    name: str
    verdict: Verdict
    detail: str


def worst_first(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Mismatches, then what is not known, then matches; within these as they came."""
    return tuple(sorted(checks, key=lambda check: _WORST_FIRST.index(check.verdict)))


def is_clean(checks: Iterable[Check]) -> bool:
    """Whether nothing speaks against the machine."""
    return all(check.verdict is not Verdict.MISMATCH for check in checks)


def confirms(name: str, checks: Sequence[Check]) -> bool:
    """Whether the checks of this name match: at least one does, and none speaks against it."""
    verdicts = {check.verdict for check in checks if check.name == name}
    return Verdict.MATCH in verdicts and Verdict.MISMATCH not in verdicts
