"""Evidence for or against a machine's claim. A check has one verdict; unknown never counts as a match."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

DETAIL_LENGTH: Final = 300
"""Longest detail of a check, in characters."""


class Verdict(StrEnum):
    MATCH = "match"
    MISMATCH = "mismatch"
    UNKNOWN = "unknown"


_WORST_FIRST: Final = (Verdict.MISMATCH, Verdict.UNKNOWN, Verdict.MATCH)


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. ``name`` is its source (network, inventory, history, or a command of the site), which may have
    several; ``detail`` is one line for a person. ``about`` are the variables (uuid, serial, mac) whose values were
    compared; only pages use it, so it is not stored."""

    name: str
    verdict: Verdict
    detail: str
    about: tuple[str, ...] = field(default=(), compare=False)


def worst_first(checks: Iterable[Check]) -> tuple[Check, ...]:
    """Return mismatches first, then unknowns, then matches; the order within each is kept."""
    return tuple(sorted(checks, key=lambda check: _WORST_FIRST.index(check.verdict)))


def has_mismatch(checks: Iterable[Check]) -> bool:
    return any(check.verdict is Verdict.MISMATCH for check in checks)


def confirms(name: str, checks: Sequence[Check]) -> bool:
    """Return whether the evidence of this name confirms the claim: at least one match and no mismatch."""
    verdicts = {check.verdict for check in checks if check.name == name}
    return Verdict.MATCH in verdicts and Verdict.MISMATCH not in verdicts
