"""The queue as one person wants to see it: which rows, in which order, how many of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from bootgrant.approval.operators import Actor
from bootgrant.operator_plane.pages.machine_view import (
    Standing,
    hidden_code,
    kind_of,
    labels_of,
    name_of,
    standing_of,
    why_of,
)
from bootgrant.operator_plane.wording import text
from bootgrant.workflows.decide.grant_cards import GrantCard

PAGE: Final = 50
_WORDS: Final = 100


@dataclass(frozen=True, slots=True)
class Filter:
    """``words`` are looked for in all that a row tells; ``label`` is ``site=fra``; ``show`` a standing, or all."""

    words: str = ""
    label: str = ""
    show: str = ""
    rows: int = PAGE

    def query(self, show: str, rows: int = PAGE) -> str:
        """The query of a link with this filter, ``?q=fra``, but for a standing and a number of rows; or empty."""
        more = "" if rows == PAGE else str(rows)
        pairs = {"q": self.words, "label": self.label, "show": show, "rows": more}
        given = {name: value for name, value in pairs.items() if value}
        return f"?{urlencode(given)}" if given else ""


@dataclass(frozen=True, slots=True)
class Row:
    """One machine that waits."""

    card: GrantCard
    name: str
    standing: Standing
    kind: str
    code: str
    network: str
    needed: int
    given: int
    why: str


@dataclass(frozen=True, slots=True)
class Show:
    """One of the links over the list."""

    name: str
    count: int
    link: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class QueueView:
    """``total`` wait, ``fitting`` of them fit the filter, ``rows`` are shown; ``clean`` can be approved together by
    whoever looks."""

    filter: Filter
    total: int
    fitting: int
    clean: int
    rows: tuple[Row, ...]
    shows: tuple[Show, ...]
    labels: tuple[str, ...]

    @property
    def query(self) -> str:
        return self.filter.query(self.filter.show)

    @property
    def more(self) -> int:
        """How many the next step shows."""
        return min(PAGE * 2, self.fitting - len(self.rows))

    @property
    def more_link(self) -> str:
        return f"/{self.filter.query(self.filter.show, len(self.rows) + self.more)}"


def read_filter(words: str, label: str, show: str, rows: str) -> Filter:
    """A filter from a query: what makes no sense in it is left out."""
    known = {standing.value for standing in Standing}
    most = int(rows) if rows.isascii() and rows.isdigit() and len(rows) < 5 else PAGE
    return Filter(words[:_WORDS].strip(), label[:200], show if show in known else "", max(PAGE, most))


def view_of(cards: Sequence[GrantCard], chosen: Filter, actor: Actor, hides_code: bool) -> QueueView:
    """The queue through a filter, as ``actor`` sees it. ``hides_code``: the last letters are for those who see the
    machine's screen."""
    every = [_row(card, hides_code) for card in cards]
    fitting = [row for row in every if _fits(row, chosen)]
    shown = [row for row in fitting if chosen.show in ("", row.standing.value)]
    counts = {standing: sum(row.standing is standing for row in fitting) for standing in Standing}
    shows = [Show("all", len(fitting), f"/{chosen.query('')}", chosen.show == "")]
    for standing in (Standing.EXPECTED, Standing.SUSPICIOUS, Standing.UNKNOWN):
        link = f"/{chosen.query(standing.value)}"
        if counts[standing] or standing is not Standing.SUSPICIOUS:
            shows.append(Show(standing.value, counts[standing], link, chosen.show == standing.value))
    return QueueView(
        filter=chosen,
        total=len(cards),
        fitting=len(shown),
        clean=sum(_may_approve_with_others(actor, row.card) for row in shown),
        rows=tuple(shown[: chosen.rows]),
        shows=tuple(shows),
        labels=tuple(sorted({label for card in cards for label in labels_of(card)})),
    )


def clean_rows(cards: Sequence[GrantCard], chosen: Filter, actor: Actor, hides_code: bool) -> tuple[Row, ...]:
    """Those that ``actor`` can approve together, of the ones that the filter shows."""
    clean = (_row(card, hides_code) for card in cards if _may_approve_with_others(actor, card))
    return tuple(row for row in clean if _fits(row, chosen) and chosen.show in ("", row.standing.value))


def _may_approve_with_others(actor: Actor, card: GrantCard) -> bool:
    labels = card.entry.labels if card.entry else {}
    return card.may_be_approved_in_a_batch and actor.may_decide_about(labels)


def _row(card: GrantCard, hides_code: bool) -> Row:
    return Row(
        card=card,
        name=name_of(card),
        standing=standing_of(card),
        kind=kind_of(card.entry) if card.entry else text("queue.no_entry"),
        code=hidden_code(card.user_code) if hides_code else card.user_code,
        network=card.network,
        needed=card.needed,
        given=len(card.votes),
        why=why_of(card),
    )


def _fits(row: Row, chosen: Filter) -> bool:
    if chosen.label and chosen.label not in labels_of(row.card):
        return False
    grant = row.card.grant
    told = " ".join((row.name, row.kind, row.code, row.network, grant.source_address, *grant.identity.given().values()))
    return all(word in told.casefold() for word in chosen.words.casefold().split())
