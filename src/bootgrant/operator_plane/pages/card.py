"""``/requests/<id>``: the request of one machine, and its outcome.

Nothing in the address fills in the last four characters: they prove that the person looked at the machine's screen. The
proof of a typed code (TYPED) is made by the form that it was typed into, and only works for the session that sent it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from bootgrant.approval.codes import masked_user_code
from bootgrant.approval.operators import Actor, Right
from bootgrant.approval.transitions import GrantState
from bootgrant.machines.site.findings import named_fields
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.forms import is_typed_proof
from bootgrant.operator_plane.pages.machine_view import (
    changed_of,
    evidence_of,
    kind_of,
    labels_of,
    name_of,
    precious_of,
    verdict_of,
)
from bootgrant.operator_plane.pages.marks import marks_of, values_of
from bootgrant.operator_plane.pages.outcome import outcome_of
from bootgrant.operator_plane.permissions import Permission, is_allowed
from bootgrant.operator_plane.visit import Visit, actor_of, is_fresh
from bootgrant.operator_plane.withheld import problem_for
from bootgrant.operator_plane.wording import text
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.workflows.decide.grant_cards import GrantCard
from bootgrant.workflows.decide.watch_requests import request_version
from bootgrant.workflows.record.approvals import WHY_VOID

TYPED: Final = "typed"
"""The query parameter that carries the proof of a typed code to its card."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What the person typed before. ``notice`` says why nothing was changed, ``wrong`` what is wrong with a suffix."""

    notice_title: str = ""
    notice: str = ""
    reason: str = ""
    suffix: str = ""
    entry: str = ""
    wrong: str = ""


@dataclass(frozen=True, slots=True)
class Vote:
    """One approval of several required ones.

    ``request`` is the id of the other request that it was given to, if it was. ``void`` is why it does not count.
    """

    by: str
    at: float
    is_mine: bool
    request: str = ""
    void: str = ""

    @property
    def words(self) -> str:
        """The name of the text that the card has about it."""
        if self.void:
            return "card.votes_void" if self.request else "card.votes_void_here"
        if self.request:
            return "card.votes_moved_yours" if self.is_mine else "card.votes_moved_by"
        return "card.votes_yours" if self.is_mine else "card.votes_by"


async def show(visit: Visit) -> Response:
    """Show a request in any state."""
    card = await visit.plane.decide.cards.show(visit.request.path_params["grant_id"])
    if card is None:
        return visit.error(error_pages.NO_REQUEST)
    typed = Typed(reason=visit.query("reason"), entry=visit.query("entry"))
    return await card_page(visit, card, typed)


async def card_page(visit: Visit, card: GrantCard, typed: Typed, status: int = 200) -> Response:
    """Return the card of a pending request, or the outcome of any other."""
    if card.state is GrantState.PENDING:
        return await _pending_page(visit, card, typed, status)
    now, actor = visit.plane.clock.now(), actor_of(visit)
    may_decide = actor.may_decide_about(card.labels)
    return visit.page(
        "outcome.html",
        status,
        card=card,
        name=name_of(card),
        printed=values_of(card.grant.identity),
        now=now,
        version=request_version(card.grant, now),
        typed=typed,
        outcome=outcome_of(card.grant, card.state, now, is_refused=card.refused_until is not None),
        code=card.user_code if may_decide else masked_user_code(card.user_code),
        also_until=card.also_denied.refused_until(visit.plane.decide.cards.rules) if card.also_denied else None,
        may_undeny=may_decide and card.refused_until is not None,
        newest=await _newest(visit, card),
        may_revoke=actor.may(Right.ADMINISTER) and await visit.plane.decide.may_revoke(card, actor),
    )


async def _pending_page(visit: Visit, card: GrantCard, typed: Typed, status: int) -> Response:
    now, actor = visit.plane.clock.now(), actor_of(visit)
    not_yours = _not_yours(actor, card)
    code = masked_user_code(card.user_code) if visit.plane.requires_suffix or not_yours else card.user_code
    votes = tuple(Vote(each.by, each.at, each.author.is_same_person(actor.author), each.request) for each in card.votes)
    has_voted = any(vote.is_mine for vote in votes)
    return visit.page(
        "card.html",
        status,
        card=card,
        name=card.entry.name if card.entry else "",
        kind=kind_of(card.entry),
        precious=precious_of(card.entry),
        keys=named_fields(card.entry.precious) if card.entry and card.entry.is_control_plane else "",
        labels=labels_of(card),
        code=code,
        known=code[:5],
        verdict=verdict_of(card),
        changed=changed_of(card),
        votes=(*votes, *(Vote(vote.by, vote.at, False, vote.request, WHY_VOID[why]) for vote, why in card.void_votes)),
        given=len(votes),
        evidence=evidence_of(card),
        marks=marks_of(card),
        problem=problem_for(actor, card.problem),
        sees_configuration=is_allowed(actor, Permission.CONFIGURATIONS),
        not_yours=not_yours,
        has_voted=has_voted,
        may_approve=card.entry is not None and not not_yours and not has_voted,
        must_sign_in=is_critical(card) and not is_fresh(visit),
        choices=() if not_yours else await _choices(visit, card),
        now=now,
        version=request_version(card.grant, now),
        typed=typed,
        suffix_field=_suffix_field(visit, card),
        proof=_proof(visit),
    )


async def _newest(visit: Visit, card: GrantCard) -> GrantCard | None:
    """Return the newest request that replaced this one, if it is still stored."""
    found = await visit.plane.decide.store.find_grant(card.successor) if card.successor else None
    return await visit.plane.decide.cards.brief(found) if found else None


def is_critical(card: GrantCard) -> bool:
    """Return whether approving requires a recent sign-in: precious, or a machine that needs several people."""
    return card.needed > 1 or (card.entry is not None and card.entry.is_precious)


def _not_yours(actor: Actor, card: GrantCard) -> str:
    """Return why this person may not decide, or "" if they may."""
    if actor.may_decide_about(card.labels):
        return ""
    if not actor.may(Right.DECIDE):
        return text("card.viewer")
    return text("card.limited", labels=", ".join(map(str, actor.labels)))


async def _choices(visit: Visit, card: GrantCard) -> tuple[str, ...]:
    """Return the entries that can be assigned to a machine that the configurations do not know."""
    if card.entry is not None and card.assignment is None:
        return ()
    try:
        return tuple(entry.name for entry in await visit.plane.assign.choices(actor_of(visit)))
    except ConfigUnavailable:
        return ()


def _proof(visit: Visit) -> str:
    return visit.query(TYPED) or visit.form.get(TYPED, "")


def _suffix_field(visit: Visit, card: GrantCard) -> str | None:
    """Return ``boxes`` for the last four characters, ``typed`` if the whole code was typed, or None if not required."""
    if not visit.plane.requires_suffix:
        return None
    if visit.session and is_typed_proof(visit.session, card.grant.grant_id, _proof(visit)):
        return "typed"
    return "boxes"
