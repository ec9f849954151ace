"""Machines as rows of a table: what each column shows, and how two rows are distinguished."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bootgrant.approval.codes import masked_user_code
from bootgrant.approval.standing import Standing
from bootgrant.operator_plane.pages.machine_view import kind_of, name_of, precious_of, verdict_of, why_of
from bootgrant.operator_plane.pages.marks import Mark, marks_by_name, shared_beginning
from bootgrant.operator_plane.wording import text
from bootgrant.workflows.decide.grant_cards import GrantCard


@dataclass(frozen=True, slots=True)
class Row:
    """One waiting machine. ``name`` is that of its entry, empty without one; ``verdict`` is the standing in words.

    ``marks`` are by variable. ``shared`` is how many characters its serial and MAC have in common with the other rows
    of its name, so that the rest can stand out. ``has_long_uuid``: another row has the same last block.
    """

    card: GrantCard
    name: str
    standing: Standing
    verdict: str
    kind: str
    code: str
    why: str
    precious: str
    marks: Mapping[str, Mark]
    has_long_uuid: bool = False
    shared: Mapping[str, int] = field(default_factory=dict)


def row_of(card: GrantCard, hides_code: bool) -> Row:
    """Return the row of a machine. With ``hides_code`` the second half of its code is left out."""
    return Row(
        card=card,
        name=name_of(card),
        standing=card.standing,
        verdict=verdict_of(card),
        kind=kind_of(card.entry) if card.entry else text("queue.no_entry"),
        precious=precious_of(card.entry),
        code=masked_user_code(card.user_code) if hides_code else card.user_code,
        why=why_of(card),
        marks=marks_by_name(card),
    )


def distinguished(rows: Iterable[Row]) -> tuple[Row, ...]:
    """Return the rows with what distinguishes those of the same name: the ends of their serials, MACs and UUIDs."""
    listed = tuple(rows)
    named: dict[str, list[Row]] = defaultdict(list)
    for row in listed:
        named[row.name].append(row)
    shared = {name: {each: _shared(each, group) for each in ("serial", "mac")} for name, group in named.items()}
    ends = Counter(row.marks["uuid"].short for row in listed)
    return tuple(
        replace(row, shared=shared[row.name], has_long_uuid=ends[row.marks["uuid"].short] > 1) for row in listed
    )


def _shared(name: str, rows: list[Row]) -> int:
    return shared_beginning(name, [value for row in rows if (value := row.marks[name].value)])
