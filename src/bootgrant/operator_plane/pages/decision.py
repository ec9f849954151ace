"""Approve, deny, take back, assign. One of two people wins; the other is told who decided, and when."""

from __future__ import annotations

import logging
import math

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.grant import DeviceGrant, GrantState, Refusal
from bootgrant.operator_plane import trouble
from bootgrant.operator_plane.confirmation import is_suffix, is_typed_proof
from bootgrant.operator_plane.pages.card import Typed, card_page
from bootgrant.operator_plane.pages.machine_view import hidden_code
from bootgrant.operator_plane.visit import Visit, sign_in_again_first, signed_in
from bootgrant.operator_plane.wording import text
from bootgrant.workflows.decide.assign_machine import NotAssigned
from bootgrant.workflows.decide.decide_grant import NotDecided
from bootgrant.workflows.decide.grant_cards import GrantCard
from bootgrant.workflows.limits.rates import address_key, name_key

log = logging.getLogger("bootgrant.operators")


async def approve(visit: Visit) -> Response:
    """Let the machine in: what the page showed, after a look at the machine's screen."""
    card = await visit.plane.decide.show(_grant_id(visit))
    if card is None:
        return visit.trouble(trouble.NO_REQUEST)
    if card.state is GrantState.PENDING:
        refused = await _not_confirmed(visit, card) or _not_fresh(visit, card)
        if refused is not None:
            return refused
    outcome = await visit.plane.decide.approve(card.grant.grant_id, signed_in(visit), visit.form.get("seen", ""))
    return await _told(visit, outcome, denied=False)


async def deny(visit: Visit) -> Response:
    """Refuse the machine."""
    reason = visit.form.get("reason", "")
    outcome = await visit.plane.decide.deny(_grant_id(visit), signed_in(visit), reason)
    return await _told(visit, outcome, denied=True)


async def take_back(visit: Visit) -> Response:
    """End an approval and its token."""
    outcome = await visit.plane.decide.revoke(_grant_id(visit), signed_in(visit))
    if isinstance(outcome, DeviceGrant):
        log.info("%r took back the approval of the request %s", visit.operator, outcome.grant_id)
        return RedirectResponse(f"/requests/{outcome.grant_id}", 303)
    card = await visit.plane.decide.show(_grant_id(visit))
    if card is None:
        return visit.trouble(trouble.NO_REQUEST)
    return await card_page(visit, card, Typed(notice=text("card.your_decision", why=outcome.message)), status=409)


async def assign(visit: Visit) -> Response:
    """Give a machine that the configurations do not know an entry; it still has to be approved."""
    outcome = await visit.plane.assign.assign(_grant_id(visit), visit.form.get("entry", ""), signed_in(visit))
    if not isinstance(outcome, NotAssigned):
        log.info("%r gave %s to the machine of the request %s", visit.operator, outcome.entry, _grant_id(visit))
        return RedirectResponse(f"/requests/{_grant_id(visit)}", 303)
    return await _not_assigned(visit, outcome)


async def unassign(visit: Visit) -> Response:
    """Take back what was given to the machine."""
    card = await visit.plane.decide.show(_grant_id(visit))
    if card is None:
        return visit.trouble(trouble.NO_REQUEST)
    outcome = await visit.plane.assign.unassign(card.grant.identity, signed_in(visit))
    if not isinstance(outcome, NotAssigned):
        return RedirectResponse(f"/requests/{_grant_id(visit)}", 303)
    return await _not_assigned(visit, outcome)


async def _not_assigned(visit: Visit, outcome: NotAssigned) -> Response:
    card = await visit.plane.decide.show(_grant_id(visit))
    if card is None:
        return visit.trouble(trouble.NO_REQUEST)
    typed = Typed(notice=text("card.your_decision", why=outcome.message), entry=visit.form.get("entry", ""))
    return await card_page(visit, card, typed, status=409)


def _grant_id(visit: Visit) -> str:
    grant_id: str = visit.request.path_params["grant_id"]
    return grant_id


def _not_fresh(visit: Visit, card: GrantCard) -> Response | None:
    """Before something precious, whose sign-in was a while ago shows once more who they are."""
    is_precious = card.needed > 1 or (card.entry is not None and card.entry.is_control_plane)
    return sign_in_again_first(visit) if is_precious else None


async def _not_confirmed(visit: Visit, card: GrantCard) -> Response | None:
    """The page once more when the last four characters are missing or wrong; guessing them is slowed down."""
    plane, proof = visit.plane, visit.form.get("typed", "")
    if not plane.asks_suffix or (visit.session and is_typed_proof(visit.session, card.grant.grant_id, proof)):
        return None
    typed = visit.form.get("suffix", "").strip()
    if not typed:
        return await card_page(visit, card, Typed(wrong=text("card.suffix_missing")), status=400)
    now = plane.clock.steady()
    wait = plane.codes_by_operator.attempt(name_key(visit.operator or ""), now)
    wait = wait or plane.codes_by_address.attempt(address_key(visit.address), now)
    if wait:
        return visit.trouble(trouble.too_many("codes", wait), {"retry-after": str(math.ceil(wait))})
    if is_suffix(typed, card.user_code):
        return None
    log.info("%r typed other last characters than those of the request %s", visit.operator, card.grant.grant_id)
    known = hidden_code(card.user_code)[:4]
    return await card_page(
        visit, card, Typed(suffix=typed[:9], wrong=text("card.suffix_wrong", typed=typed[:9], known=known)), status=400
    )


async def _told(visit: Visit, outcome: DeviceGrant | NotDecided, *, denied: bool) -> Response:
    if isinstance(outcome, DeviceGrant):
        done = "voted for" if outcome.state is GrantState.PENDING else outcome.state.value
        log.info("%r %s the request %s", visit.operator, done, outcome.grant_id)
        return RedirectResponse(f"/requests/{outcome.grant_id}", 303)
    if outcome.refusal is Refusal.UNKNOWN or outcome.grant is None:
        return visit.trouble(trouble.NO_REQUEST)
    if outcome.refusal is Refusal.SAME_PERSON or _is_my_own(visit, outcome.grant, denied=denied):
        return RedirectResponse(f"/requests/{outcome.grant.grant_id}", 303)
    card = await visit.plane.decide.show(outcome.grant.grant_id)
    if card is None:
        return visit.trouble(trouble.NO_REQUEST)
    typed = Typed(
        notice=text("card.your_decision", why=outcome.message),
        reason=visit.form.get("reason", ""),
        suffix=visit.form.get("suffix", "")[:9],
    )
    return await card_page(visit, card, typed, status=409)


def _is_my_own(visit: Visit, grant: DeviceGrant, *, denied: bool) -> bool:
    """Whether this is the same decision of the same person once more: a double tap."""
    if grant.decision is None or grant.decision.author.name != visit.operator:
        return False
    return (grant.state is GrantState.DENIED) is denied
