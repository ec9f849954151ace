"""A request as the pages show it: the machine's name, whether it is expected, and its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bootgrant.approval.audit import Difference
from bootgrant.approval.evidence import Verdict
from bootgrant.machines.site.findings import named_fields
from bootgrant.operator_plane.wording import counted, text, texts
from bootgrant.ports.configurations import MachineEntry
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.grant_cards import GrantCard

_NAMED_BY: Final = ("serial", "hostname", "mac", "uuid")


@dataclass(frozen=True, slots=True)
class Changed:
    """How a machine differs from the one that got the last configuration of this identity."""

    entry: str
    address: str
    at: float
    differences: tuple[Difference, ...]


def changed_of(card: GrantCard) -> Changed | None:
    """Return both values of what has changed since the last delivery, or None if nothing contradicts it."""
    found = card.past.changed(card.grant.identity) if card.past else None
    return Changed(found[0].entry, found[0].address, found[0].at, found[1]) if found else None


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


def verdict_of(card: GrantCard) -> str:
    """Return the words for the verdict, such as ``Expected`` or ``Assigned by ana``."""
    return text(f"card.sign_{card.standing.value}", by=card.assignment.by if card.assignment else "")


def kind_of(entry: MachineEntry | None) -> str:
    """Return ``control plane`` or ``worker``, or "" if unknown."""
    if entry is None:
        return ""
    return text("card.control_plane") if entry.is_control_plane else entry.machine_type


def precious_of(entry: MachineEntry | None) -> str:
    """Return what makes a configuration precious although it is not of a control plane, or "" if nothing does."""
    if entry is None or entry.is_control_plane or not entry.precious:
        return ""
    return text("card.precious", fields=named_fields(entry.precious))


def name_of(card: GrantCard) -> str:
    """Return the entry's name, or "" if it has none: nothing that a machine reports may take the place of a name."""
    return card.entry.name if card.entry else ""


def reported(identity: MachineIdentity) -> tuple[str, str] | None:
    """Return the most distinctive variable that a machine reports and its value, or None if it reports nothing."""
    given = identity.given()
    return next(((name, given[name]) for name in _NAMED_BY if given.get(name)), None)


def labels_of(card: GrantCard) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in sorted(card.entry.labels.items())) if card.entry else ()


def why_of(card: GrantCard) -> str:
    """Return the mismatches on one line, or "" if there are none."""
    mismatches = [check.finding for check in checks_of(card) if check.verdict == Verdict.MISMATCH.value]
    if len(mismatches) < 2:
        return "".join(mismatches)
    return f"{mismatches[0]} {counted('evidence.more', len(mismatches) - 1)}"
