"""Approve and deny. One of two people wins; the other is told who decided, and when."""

from __future__ import annotations

import logging

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.grant import DeviceGrant, GrantState, Refusal
from bootgrant.approval.operators import Actor
from bootgrant.operator_plane import trouble
from bootgrant.operator_plane.pages.card import card_page
from bootgrant.operator_plane.visit import Visit
from bootgrant.workflows.decide_grant import NotDecided

log = logging.getLogger("bootgrant.operators")


async def approve(visit: Visit) -> Response:
    """Let the machine in."""
    outcome = await visit.plane.decide.approve(_grant_id(visit), _actor(visit))
    return await _told(visit, outcome, denied=False)


async def deny(visit: Visit) -> Response:
    """Refuse the machine."""
    reason = visit.form.get("reason", "")
    outcome = await visit.plane.decide.deny(_grant_id(visit), _actor(visit), reason)
    return await _told(visit, outcome, denied=True)


def _actor(visit: Visit) -> Actor:
    if visit.actor is None:
        raise AssertionError("the permission of the route lets in only those who are signed in")
    return visit.actor


def _grant_id(visit: Visit) -> str:
    grant_id: str = visit.request.path_params["grant_id"]
    return grant_id


async def _told(visit: Visit, outcome: DeviceGrant | NotDecided, *, denied: bool) -> Response:
    if isinstance(outcome, DeviceGrant):
        log.info("%r %s the request %s", visit.operator, outcome.state.value, outcome.grant_id)
        return RedirectResponse(f"/requests/{outcome.grant_id}", 303)
    if outcome.refusal is Refusal.UNKNOWN or outcome.grant is None:
        return visit.trouble(trouble.NO_REQUEST)
    if _is_my_own(visit, outcome.grant, denied=denied):
        return RedirectResponse(f"/requests/{outcome.grant.grant_id}", 303)
    card = await visit.plane.decide.show(outcome.grant.grant_id)
    if card is None:
        return visit.trouble(trouble.NO_REQUEST)
    notice = f"Your decision changed nothing: {outcome.message}."
    return card_page(visit, card, notice, visit.form.get("reason", ""), status=409)


def _is_my_own(visit: Visit, grant: DeviceGrant, *, denied: bool) -> bool:
    """Whether this is the same decision of the same person once more: a double tap."""
    if grant.decision is None or grant.decision.name != visit.operator:
        return False
    return (grant.state is GrantState.DENIED) is denied
