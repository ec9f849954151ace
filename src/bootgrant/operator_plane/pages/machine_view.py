"""A request as the pages show it: the machine's name, whether it is expected, and its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from bootgrant.approval.evidence import Verdict
from bootgrant.operator_plane.wording import counted, text, texts
from bootgrant.ports.configurations import MachineEntry
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.grant_cards import GrantCard

_NAMED_BY: Final = ("serial", "hostname", "mac", "uuid")


class Standing(Enum):
    """The first thing that a person sees about a machine. The value names its texts and its sign."""

    SUSPICIOUS = "suspicious"
    EXPECTED = "expected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One line of evidence: the check's ``name``, its ``finding``, and what that may mean and what to do."""

    verdict: str
    name: str
    finding: str
    meaning: str


def checks_of(card: GrantCard) -> tuple[CheckRow, ...]:
    """Return the evidence, worst first."""
    rows = [_row(check.verdict, check.name, check.detail) for check in card.evidence]
    has_mismatch = any(row.name == "history" and row.verdict == Verdict.MISMATCH for row in rows)
    if card.rivals and not has_mismatch:
        finding = text("evidence.rivals", count=len(card.rivals) + 1, others=", ".join(card.rivals))
        rows.insert(0, _row(Verdict.MISMATCH, "history", finding))
    return tuple(rows)


def _row(verdict: Verdict, name: str, finding: str) -> CheckRow:
    meaning = f"evidence.{name}_{verdict.value}"
    known = meaning if meaning in texts() else f"evidence.other_{verdict.value}"
    return CheckRow(verdict.value, name, finding, text(known))


def standing_of(card: GrantCard) -> Standing:
    """Return whether the machine is expected. Unknown evidence never counts as a match."""
    if card.has_conflict:
        return Standing.SUSPICIOUS
    return Standing.EXPECTED if card.entry else Standing.UNKNOWN


def kind_of(entry: MachineEntry | None) -> str:
    """Return ``control plane`` or ``worker``, or "" if unknown."""
    if entry is None:
        return ""
    return text("card.control_plane") if entry.is_control_plane else entry.machine_type


def name_of(card: GrantCard) -> str:
    """Return the entry's name, or else the most distinctive value that the machine reports."""
    return card.entry.name if card.entry else claimed_name(card.grant.identity)


def claimed_name(identity: MachineIdentity) -> str:
    given = identity.given()
    return next((given[name] for name in _NAMED_BY if given.get(name)), "")


def labels_of(card: GrantCard) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in sorted(card.entry.labels.items())) if card.entry else ()


def why_of(card: GrantCard) -> str:
    """Return the mismatches on one line, or "" if there are none."""
    mismatches = [check.finding for check in checks_of(card) if check.verdict == Verdict.MISMATCH.value]
    if len(mismatches) < 2:
        return "".join(mismatches)
    return f"{mismatches[0]} {counted('evidence.more', len(mismatches) - 1)}"
