"""A request as the pages show it: the machine's name, whether it is expected, and its evidence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from bootgrant.approval.audit import Difference
from bootgrant.approval.evidence import Check, Verdict
from bootgrant.machines.site.findings import named_fields
from bootgrant.operator_plane.pages.marks import shared_beginning
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

    def shared(self, one: Difference) -> int:
        """Return how many characters both values have in common at their beginning."""
        return shared_beginning(one.name, (one.before, one.now))


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


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """The evidence as the card shows it: ``against`` in full, ``matches`` on a line each, ``unknown`` folded."""

    against: tuple[CheckRow, ...]
    matches: tuple[CheckRow, ...]
    unknown: tuple[CheckRow, ...]

    @property
    def not_checked(self) -> str:
        """The sources of ``unknown``, each once."""
        return ", ".join(dict.fromkeys(row.name for row in self.unknown))


def evidence_of(card: GrantCard) -> EvidenceView:
    """Return the evidence without what the card shows elsewhere: a match with the inventory is the mark of its value,
    and what differs from the last delivery is a comparison."""
    compared = card.past is not None and card.past.changed(card.grant.identity) is not None
    rows = _rows(check for check in card.evidence if not _is_shown_elsewhere(check, compared=compared))
    rows = (*_rivals(card), *rows)
    by = {verdict: tuple(row for row in rows if row.verdict == verdict.value) for verdict in Verdict}
    return EvidenceView(by[Verdict.MISMATCH], by[Verdict.MATCH], by[Verdict.UNKNOWN])


def _is_shown_elsewhere(check: Check, *, compared: bool) -> bool:
    if check.name == "inventory":
        return check.verdict is Verdict.MATCH and bool(check.about)
    return compared and check.name == "history" and check.verdict is Verdict.MISMATCH and bool(check.about)


def checks_of(card: GrantCard) -> tuple[CheckRow, ...]:
    """Return the evidence, worst first."""
    return (*_rivals(card), *_rows(card.evidence))


def _rivals(card: GrantCard) -> tuple[CheckRow, ...]:
    """Return the other addresses of this machine, if no check reports them."""
    has_mismatch = any(check.name == "history" and check.verdict is Verdict.MISMATCH for check in card.evidence)
    if not card.rivals or has_mismatch:
        return ()
    finding = text("evidence.rivals", count=len(card.rivals) + 1, others=", ".join(card.rivals))
    return (_row(Verdict.MISMATCH, "history", finding),)


def _rows(checks: Iterable[Check]) -> tuple[CheckRow, ...]:
    return tuple(_row(check.verdict, check.name, check.detail) for check in checks)


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
