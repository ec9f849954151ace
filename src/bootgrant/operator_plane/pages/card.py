"""``/requests/<id>``: one machine's request, and after the decision what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from bootgrant.approval.grant import GrantState
from bootgrant.approval.operators import Role
from bootgrant.operator_plane import trouble
from bootgrant.operator_plane.confirmation import is_typed_proof
from bootgrant.operator_plane.pages.machine_view import (
    CheckRow,
    Standing,
    checks_of,
    hidden_code,
    kind_of,
    labels_of,
    name_of,
    standing_of,
)
from bootgrant.operator_plane.pages.outcome import outcome_of
from bootgrant.operator_plane.visit import Visit, signed_in
from bootgrant.operator_plane.wording import text
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.workflows.decide.grant_cards import GrantCard
from bootgrant.workflows.decide.watch_requests import request_version

TYPED: Final = "typed"
"""The query parameter with which a typed code leads to its card."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person typed before, and what to say about it. ``notice`` says why their last attempt changed nothing."""

    notice: str = ""
    reason: str = ""
    suffix: str = ""
    entry: str = ""
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Vote:
    """One approval of several that are needed."""

    by: str
    at: float
    is_mine: bool


@dataclass(frozen=True, slots=True)
class CardView:
    """What the card shows. ``name`` is empty for an unknown machine; ``known`` is the half of the code before the
    one that is asked for. ``not_yours`` says why this person cannot decide; ``choices`` are entries to give it."""

    card: GrantCard
    name: str
    kind: str
    labels: tuple[str, ...]
    code: str
    known: str
    standing: Standing
    votes: tuple[Vote, ...]
    checks: tuple[CheckRow, ...]
    not_yours: str
    has_voted: bool
    choices: tuple[str, ...]

    @property
    def may_approve(self) -> bool:
        return self.card.entry is not None and not self.not_yours and not self.has_voted


async def show(visit: Visit) -> Response:
    """The card of a request, whatever its state."""
    card = await visit.plane.decide.show(visit.request.path_params["grant_id"])
    if card is None:
        return visit.trouble(trouble.NO_REQUEST)
    typed = Typed(reason=visit.asked("reason"), suffix=visit.asked("suffix")[:9], entry=visit.asked("entry"))
    return await card_page(visit, card, typed)


async def card_page(visit: Visit, card: GrantCard, typed: Typed, status: int = 200) -> Response:
    """The card while it waits, its outcome afterwards."""
    now = visit.plane.clock.now()
    version = request_version(card.grant, now)
    if card.state is not GrantState.PENDING:
        return visit.page(
            "outcome.html",
            status,
            card=card,
            name=name_of(card),
            now=now,
            version=version,
            notice=typed.notice,
            outcome=outcome_of(card.grant, card.state, now),
            may_revoke=await _may_revoke(visit, card),
        )
    return visit.page(
        "card.html",
        status,
        view=await _view(visit, card),
        now=now,
        version=version,
        typed=typed,
        asks_suffix=_asks(visit, card),
        proof=_proof(visit),
    )


async def _may_revoke(visit: Visit, card: GrantCard) -> bool:
    actor = signed_in(visit)
    return actor.role.is_at_least(Role.ADMIN) and await visit.plane.decide.may_revoke(card, actor)


async def _view(visit: Visit, card: GrantCard) -> CardView:
    code = hidden_code(card.user_code) if visit.plane.asks_suffix else card.user_code
    actor = signed_in(visit)
    votes = tuple(Vote(vote.by, vote.at, vote.author.is_same_person(actor.author)) for vote in card.votes)
    not_yours = _not_yours(visit, card)
    return CardView(
        card=card,
        name=card.entry.name if card.entry else "",
        kind=kind_of(card.entry),
        labels=labels_of(card),
        code=code,
        known=code[:5],
        standing=standing_of(card),
        votes=votes,
        checks=checks_of(card),
        not_yours=not_yours,
        has_voted=any(vote.is_mine for vote in votes),
        choices=() if not_yours else await _choices(visit, card),
    )


def _not_yours(visit: Visit, card: GrantCard) -> str:
    """Why this person's decision would not count; empty when it would."""
    actor = signed_in(visit)
    if actor.may_decide_about(card.entry.labels if card.entry else {}):
        return ""
    if not actor.role.is_at_least(Role.APPROVER):
        return text("card.viewer")
    return text("card.limited", labels=", ".join(map(str, actor.labels)))


async def _choices(visit: Visit, card: GrantCard) -> tuple[str, ...]:
    """The entries that may be given to a machine that the configurations do not know."""
    if card.entry is not None and card.assignment is None:
        return ()
    try:
        return tuple(entry.name for entry in await visit.plane.assign.choices(signed_in(visit)))
    except ConfigUnavailable:
        return ()


def _proof(visit: Visit) -> str:
    return visit.asked(TYPED) or visit.form.get(TYPED, "")


def _asks(visit: Visit, card: GrantCard) -> str | None:
    """``boxes`` for the last four characters, ``typed`` when the whole code was typed, None when nothing is asked."""
    if not visit.plane.asks_suffix:
        return None
    if visit.session and is_typed_proof(visit.session, card.grant.grant_id, _proof(visit)):
        return "typed"
    return "boxes"
