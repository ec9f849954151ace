"""``/``: the machines waiting for a decision, newest first, filtered as the person wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.codes import masked_user_code
from bootgrant.approval.operators import Actor
from bootgrant.approval.standing import Standing
from bootgrant.operator_plane.pages.machine_rows import Row, distinguished, row_of
from bootgrant.operator_plane.pages.machine_view import labels_of, name_of
from bootgrant.operator_plane.pages.windows import window_rows
from bootgrant.operator_plane.visit import Visit, actor_of
from bootgrant.operator_plane.withheld import problem_for
from bootgrant.ports.audit import AuditFilter
from bootgrant.workflows.decide.grant_cards import GrantCard
from bootgrant.workflows.decide.watch_requests import queue_version

PAGE: Final = 25
_WORDS: Final = 100
_ALWAYS_COUNTED: Final = (Standing.EXPECTED, Standing.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Filter:
    """``words`` must occur in a row, ``label`` is ``site=fra``, and ``show`` is a standing, or "" for all."""

    words: str = ""
    label: str = ""
    show: str = ""
    rows: int = PAGE

    def query(self, show: str, rows: int = PAGE) -> str:
        """Return the query of a link with this filter but another standing and number of rows, such as ``?q=fra``."""
        more = "" if rows == PAGE else str(rows)
        pairs = {"q": self.words, "label": self.label, "show": show, "rows": more}
        given = {name: value for name, value in pairs.items() if value}
        return f"?{urlencode(given)}" if given else ""


@dataclass(frozen=True, slots=True)
class DeniedRow:
    """One machine that is refused until a time (Unix seconds), because ``by`` denied it."""

    card: GrantCard
    name: str
    code: str
    until: float
    by: str
    reason: str
    may_undeny: bool


@dataclass(frozen=True, slots=True)
class Show:
    """One of the links above the list."""

    name: str
    count: int
    link: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class QueueView:
    """``total`` machines wait, ``matching`` of them match the filter, and ``rows`` are shown.

    ``approvable`` of the matching ones can be approved together by this person.
    """

    filter: Filter
    total: int
    matching: int
    approvable: int
    rows: tuple[Row, ...]
    shows: tuple[Show, ...]
    labels: tuple[str, ...]

    @property
    def query(self) -> str:
        return self.filter.query(self.filter.show)

    @property
    def more(self) -> int:
        """How many additional rows the next step shows."""
        return min(PAGE * 2, self.matching - len(self.rows))

    @property
    def more_link(self) -> str:
        return f"/{self.filter.query(self.filter.show, len(self.rows) + self.more)}"


async def show(visit: Visit) -> Response:
    """Show the queue or, if it is empty, how to make a machine request a configuration."""
    waiting = visit.plane.waiting
    if visit.is_automatic:
        cards, denied = await waiting.recent()
    else:
        cards, denied = await waiting.current(), await waiting.refused()
    windows = await visit.plane.arm.windows()
    state = visit.plane.configurations.state()
    return visit.page(
        "queue.html",
        view=view_of(cards, filter_of(visit), actor_of(visit), visit.plane.requires_suffix),
        windows=window_rows(windows, actor_of(visit)),
        version=queue_version((card.grant for card in cards), windows),
        now=visit.plane.clock.now(),
        configurations=replace(state, problem=problem_for(actor_of(visit), state.problem)),
        most=waiting.most,
        unfetched=(await visit.plane.decide.store.census(visit.plane.clock.now())).unfetched,
        last=None if cards else await _last_delivered(visit),
        kernel_line=kernel_line(visit),
        denied=[_denied(card, actor_of(visit)) for card in denied],
        most_denied=waiting.most_refused,
    )


def _denied(card: GrantCard, actor: Actor) -> DeniedRow:
    decision = card.grant.decision
    by, reason = (decision.by, decision.reason) if decision else ("", "")
    may_undeny = actor.may_decide_about(card.labels)
    code = card.user_code if may_undeny else masked_user_code(card.user_code)
    return DeniedRow(card, name_of(card), code, card.refused_until or 0.0, by, reason, may_undeny)


async def _last_delivered(visit: Visit) -> AuditEvent | None:
    """Return the last delivery, or None if the audit contains none."""
    found = await visit.plane.audit.newest(AuditFilter(kinds=(AuditKind.DELIVERED,)), 1)
    return found[0].event if found else None


def kernel_line(visit: Visit) -> str:
    """Return the kernel parameters that ``bootgrant kernel-args`` prints for this server."""
    url = visit.plane.machine_url
    return " ".join(
        (
            "talos.platform=metal slab_nomerge pti=on",
            f"talos.config={url}/config?uuid=${{uuid}}",
            f"talos.config.oauth.client_id={visit.plane.client_id}",
            f"talos.config.oauth.device_auth_url={url}/device/code",
            f"talos.config.oauth.token_url={url}/token",
            *(f"talos.config.oauth.extra_variable={name}" for name in ("uuid", "mac")),
        )
    )


def filter_of(visit: Visit) -> Filter:
    """Return the filter in the page's URL."""
    return read_filter(*(visit.query(name) for name in ("q", "label", "show", "rows")))


def read_filter(words: str, label: str, show: str, rows: str) -> Filter:
    """Return the filter of a query, ignoring invalid parts."""
    known = {standing.value for standing in Standing}
    most = int(rows) if rows.isascii() and rows.isdigit() and len(rows) < 5 else PAGE
    return Filter(words[:_WORDS].strip(), label[:200], show if show in known else "", max(PAGE, most))


def view_of(cards: Sequence[GrantCard], chosen: Filter, actor: Actor, hides_code: bool) -> QueueView:
    """Return the filtered queue as ``actor`` sees it.

    With ``hides_code``, and for machines about which ``actor`` may not decide, the second half of each code is left
    out: only the machine's screen may show it.
    """
    every = [row_of(card, hides_code or not actor.may_decide_about(card.labels)) for card in cards]
    matching = [row for row in every if _matches(row, chosen)]
    shown = [row for row in matching if chosen.show in ("", row.standing.value)]
    counts = {standing: sum(row.standing is standing for row in matching) for standing in Standing}
    shows = [Show("all", len(matching), f"/{chosen.query('')}", chosen.show == "")]
    for standing in (Standing.EXPECTED, Standing.PATTERN, Standing.ASSIGNED, Standing.MISMATCH, Standing.UNKNOWN):
        link = f"/{chosen.query(standing.value)}"
        if counts[standing] or standing in _ALWAYS_COUNTED:
            shows.append(Show(standing.value, counts[standing], link, chosen.show == standing.value))
    return QueueView(
        filter=chosen,
        total=len(cards),
        matching=len(shown),
        approvable=sum(_is_for_batch(actor, row.card) for row in shown),
        rows=distinguished(shown[: chosen.rows]),
        shows=tuple(shows),
        labels=tuple(sorted({label for card in cards for label in labels_of(card)})),
    )


def batch_rows(cards: Sequence[GrantCard], chosen: Filter, actor: Actor, hides_code: bool) -> tuple[Row, ...]:
    """Return the machines that match the filter and that ``actor`` can approve together."""
    rows = (row_of(card, hides_code) for card in cards if _is_for_batch(actor, card))
    return distinguished(row for row in rows if _matches(row, chosen) and chosen.show in ("", row.standing.value))


def left_out_rows(cards: Sequence[GrantCard], chosen: Filter, actor: Actor, hides_code: bool) -> tuple[Row, ...]:
    """Return the machines with an entry that match the filter but that ``actor`` has to decide about one by one."""
    rows = (
        row_of(card, hides_code)
        for card in cards
        if card.entry and card.batch_obstacle and actor.may_decide_about(card.entry.labels)
    )
    return distinguished(row for row in rows if _matches(row, chosen) and chosen.show in ("", row.standing.value))


def _is_for_batch(actor: Actor, card: GrantCard) -> bool:
    return card.may_be_approved_in_a_batch and actor.may_decide_about(card.labels)


def _matches(row: Row, chosen: Filter) -> bool:
    if chosen.label and chosen.label not in labels_of(row.card):
        return False
    grant = row.card.grant
    parts = (row.name, row.kind, row.code, row.card.network, grant.source_address, *grant.identity.given().values())
    content = " ".join(parts).casefold()
    return all(word in content for word in chosen.words.casefold().split())
