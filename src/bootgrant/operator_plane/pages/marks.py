"""The values printed on a machine (serial, MAC, UUID), each with a mark of its own.

A mark says what was compared with that value and nothing more: an entry or another source of evidence, or the machine
that got the last configuration. A value that nothing was compared with is unknown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bootgrant.approval.audit import Past
from bootgrant.approval.evidence import Check, Verdict
from bootgrant.operator_plane.wording import text
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.grant_cards import GrantCard

PRINTED: Final = ("serial", "mac", "uuid")
"""In the order in which a person looks for them."""

LONGEST: Final = 64
"""Characters of a value in a row of a table. Of a longer one, the beginning is shown, and a digest."""

_OCTET: Final = 3
"""Characters of one octet of a MAC, with its colon."""

_WORTH_FADING: Final = 6
"""Characters of a common beginning."""

_SOURCES: Final = frozenset({"inventory", "history"})


@dataclass(frozen=True, slots=True)
class Mark:
    """One value that a machine reports, empty if it does not. ``words`` say what ``verdict`` is about."""

    name: str
    value: str
    verdict: Verdict
    words: str

    @property
    def short(self) -> str:
        """The value as it is compared with a label: of a UUID only the last block."""
        return self.value.rpartition("-")[2] if self.name == "uuid" else self.value

    @property
    def digest(self) -> str:
        """Distinguishes two values that are too long to be shown in full."""
        return hashlib.sha256(self.value.encode()).hexdigest()[:12]


def shared_beginning(name: str, values: Sequence[str]) -> int:
    """Return how many characters these values of a variable have in common at their beginning; 0 if it is not worth
    fading them, or if there is anything unusual about a value."""
    if len(values) < 2 or any(
        len(value) > LONGEST or not value.isascii() or not value.isprintable() for value in values
    ):
        return 0
    pairs = enumerate(zip(*values, strict=False))
    common = next((at for at, characters in pairs if len(set(characters)) > 1), min(map(len, values)))
    common -= common % _OCTET if name == "mac" else 0
    return common if _WORTH_FADING <= common < min(map(len, values)) else 0


def marks_of(card: GrantCard) -> tuple[Mark, ...]:
    """Return a mark for each value. Without any of them, the hostname is all that there is to compare."""
    identity = card.grant.identity
    names = PRINTED if identity.identifies() else (*PRINTED, "hostname")
    return tuple(_mark(name, getattr(identity, name), card) for name in names)


def values_of(identity: MachineIdentity) -> tuple[Mark, ...]:
    """Return the values without the result of any comparison, for a request that is no longer pending."""
    given = identity.given()
    return tuple(Mark(name, given[name], Verdict.UNKNOWN, "") for name in (*PRINTED, "hostname") if name in given)


def marks_by_name(card: GrantCard) -> Mapping[str, Mark]:
    """Return the marks by the name of their variable."""
    return {mark.name: mark for mark in marks_of(card)}


def _mark(name: str, value: str, card: GrantCard) -> Mark:
    if not value:
        return Mark(name, "", Verdict.UNKNOWN, text("marks.absent"))
    checks = sorted((each for each in card.evidence if name in each.about), key=lambda each: each.name != "inventory")
    for verdict in (Verdict.MISMATCH, Verdict.MATCH):
        for check in checks:
            if check.verdict is verdict:
                return Mark(name, value, verdict, _words(check))
    if card.past is not None and _is_as_delivered(card.past, name, value):
        return Mark(name, value, Verdict.MATCH, text("marks.match_history"))
    return Mark(name, value, Verdict.UNKNOWN, text("marks.unknown"))


def _words(check: Check) -> str:
    source = check.name if check.name in _SOURCES else "other"
    return text(f"marks.{check.verdict.value}_{source}", name=check.name)


def _is_as_delivered(past: Past, name: str, value: str) -> bool:
    """Return whether the machine that got the last configuration reported the same value."""
    before = getattr(past.deliveries[0].identity, name, "") if past.deliveries else ""
    return bool(before) and not MachineIdentity(**{name: before}).contradicts(MachineIdentity(**{name: value}))
