"""A request as the pages show it: who asks, whether it is expected, what speaks for it and against it."""

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
_HIDDEN: Final = "····"


class Standing(Enum):
    """What a person sees first; the value names the texts and the sign."""

    SUSPICIOUS = "suspicious"
    EXPECTED = "expected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One line of evidence. ``name`` is who found it, ``told`` what, ``meaning`` what it may mean and what to do."""

    verdict: str
    name: str
    told: str
    meaning: str


def checks_of(card: GrantCard) -> tuple[CheckRow, ...]:
    """The evidence, worst first."""
    rows = [_row(check.verdict, check.name, check.detail) for check in card.evidence]
    said = any(row.name == "history" and row.verdict == Verdict.MISMATCH for row in rows)
    if card.rivals and not said:
        told = text("evidence.rivals", count=len(card.rivals) + 1, others=", ".join(card.rivals))
        rows.insert(0, _row(Verdict.MISMATCH, "history", told))
    return tuple(rows)


def _row(verdict: Verdict, name: str, told: str) -> CheckRow:
    meaning = f"evidence.{name}_{verdict.value}"
    return CheckRow(
        verdict.value, name, told, text(meaning if meaning in texts() else f"evidence.other_{verdict.value}")
    )


def standing_of(card: GrantCard) -> Standing:
    """Whether the machine is expected. What is not known never counts as a match."""
    if not card.is_clean:
        return Standing.SUSPICIOUS
    return Standing.EXPECTED if card.entry else Standing.UNKNOWN


def kind_of(entry: MachineEntry | None) -> str:
    """``control plane``, ``worker``; empty when it is not known."""
    if entry is None:
        return ""
    return text("card.control_plane") if entry.is_control_plane else entry.machine_type


def name_of(card: GrantCard) -> str:
    """The entry's name, or what the machine says of itself that tells it best from others."""
    return card.entry.name if card.entry else claimed_name(card.grant.identity)


def claimed_name(identity: MachineIdentity) -> str:
    given = identity.given()
    return next((given[name] for name in _NAMED_BY if given.get(name)), "")


def labels_of(card: GrantCard) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in sorted(card.entry.labels.items())) if card.entry else ()


def hidden_code(user_code: str) -> str:
    """``WDJB-····``: the half that is not asked for."""
    return user_code[: -len(_HIDDEN)] + _HIDDEN


def why_of(card: GrantCard) -> str:
    """What speaks against it, in a line; empty when nothing does."""
    against = [check.told for check in checks_of(card) if check.verdict == Verdict.MISMATCH.value]
    if len(against) < 2:
        return "".join(against)
    return f"{against[0]} {counted('evidence.more', len(against) - 1)}"
