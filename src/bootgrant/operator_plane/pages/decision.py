"""Approve, deny, undeny, revoke, assign.

If two people decide at once, the first wins and the second sees who that was.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.grant import DeviceGrant, Refusal
from bootgrant.approval.operators import Refused
from bootgrant.approval.transitions import GrantState
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.forms import is_suffix, is_typed_proof
from bootgrant.operator_plane.pages.card import Typed, card_page, is_critical
from bootgrant.operator_plane.pages.device import wait_for_codes
from bootgrant.operator_plane.visit import Visit, actor_of, sign_in_again_first
from bootgrant.operator_plane.wording import text
from bootgrant.workflows.decide.decide_grant import NotDecided
from bootgrant.workflows.decide.grant_cards import GrantCard

log = logging.getLogger("bootgrant.operators")


async def approve(visit: Visit) -> Response:
    """Approve what the page showed, after the person has looked at the machine's screen."""
    card = await visit.plane.decide.cards.show(_grant_id(visit))
    if card is None:
        return visit.error(error_pages.NO_REQUEST)
    if card.state is GrantState.PENDING:
        refused = _without_fresh_sign_in(visit, card) or await _without_suffix(visit, card)
        if refused is not None:
            return refused
    outcome = await visit.plane.decide.approve(card.grant.grant_id, actor_of(visit), visit.form.get("seen", ""))
    return await _decided(visit, outcome, denied=False)


async def deny(visit: Visit) -> Response:
    reason = visit.form.get("reason", "")
    outcome = await visit.plane.decide.deny(_grant_id(visit), actor_of(visit), reason)
    return await _decided(visit, outcome, denied=True)


async def undeny(visit: Visit) -> Response:
    """Take a denial back, so that the machine may ask at once."""
    outcome = await visit.plane.decide.undeny(_grant_id(visit), actor_of(visit))
    if isinstance(outcome, DeviceGrant):
        log.info("%r undenied the request %s", visit.operator, outcome.grant_id)
        return RedirectResponse("/", 303) if visit.form.get("back") == "queue" else _to_request(visit)
    return await _unchanged(visit, outcome, Typed())


async def revoke(visit: Visit) -> Response:
    """Revoke an approval and its token."""
    outcome = await visit.plane.decide.revoke(_grant_id(visit), actor_of(visit))
    if isinstance(outcome, DeviceGrant):
        log.info("%r revoked the approval of the request %s", visit.operator, outcome.grant_id)
        return _to_request(visit)
    return await _unchanged(visit, outcome, Typed())


async def assign(visit: Visit) -> Response:
    """Assign an entry to a machine that the configurations do not know. It still has to be approved."""
    outcome = await visit.plane.assign.assign(_grant_id(visit), visit.form.get("entry", ""), actor_of(visit))
    if isinstance(outcome, Refused):
        return await _unchanged(visit, outcome, Typed(entry=visit.form.get("entry", "")))
    log.info("%r assigned %s to the machine of the request %s", visit.operator, outcome.entry, _grant_id(visit))
    return _to_request(visit)


async def unassign(visit: Visit) -> Response:
    """Remove the machine's assignment."""
    card = await visit.plane.decide.cards.show(_grant_id(visit))
    if card is None:
        return visit.error(error_pages.NO_REQUEST)
    outcome = await visit.plane.assign.unassign(card.grant.identity, actor_of(visit))
    if isinstance(outcome, Refused):
        return await _unchanged(visit, outcome, Typed())
    return _to_request(visit)


def _grant_id(visit: Visit) -> str:
    grant_id: str = visit.request.path_params["grant_id"]
    return grant_id


def _to_request(visit: Visit) -> Response:
    return RedirectResponse(f"/requests/{_grant_id(visit)}", 303)


async def _unchanged(visit: Visit, outcome: NotDecided | Refused, typed: Typed) -> Response:
    """Show the request with a notice that the decision was not recorded, and with what the person typed."""
    card = await visit.plane.decide.cards.show(_grant_id(visit))
    if card is None:
        return visit.error(error_pages.NO_REQUEST)
    notice = text("card.unchanged", why=outcome.message)
    return await card_page(visit, card, replace(typed, notice_title=_title(outcome), notice=notice), status=409)


def _title(outcome: NotDecided | Refused) -> str:
    """Return the title of the notice that nothing was changed."""
    if isinstance(outcome, NotDecided):
        if outcome.refusal is Refusal.ALREADY_DECIDED and outcome.grant and outcome.grant.decision:
            return text("card.already_decided", by=outcome.grant.decision.by)
        if outcome.refusal is Refusal.EXPIRED:
            return text("card.late")
    return text("card.unchanged_title")


def _without_fresh_sign_in(visit: Visit, card: GrantCard) -> Response | None:
    """Ask for a fresh sign-in before a control plane, or a machine that needs several approvals, is approved."""
    return sign_in_again_first(visit) if is_critical(card) else None


async def _without_suffix(visit: Visit, card: GrantCard) -> Response | None:
    """Show the card again if the last four characters are missing or wrong. Guesses are rate-limited."""
    proof = visit.form.get("typed", "")
    if not visit.plane.requires_suffix:
        return None
    if visit.session and is_typed_proof(visit.session, card.grant.grant_id, proof):
        return None
    typed = visit.form.get("suffix", "").strip()
    if not typed:
        return await card_page(visit, card, Typed(wrong=text("card.suffix_missing")), status=400)
    if too_many := wait_for_codes(visit):
        return too_many
    if is_suffix(typed, card.user_code):
        return None
    log.info("%r typed wrong last characters for the request %s", visit.operator, card.grant.grant_id)
    known = card.user_code[:4]
    # The field stays empty, so that the next four characters can be typed at once.
    wrong = text("card.suffix_wrong", typed=typed[:9], known=known)
    return await card_page(visit, card, Typed(wrong=wrong), status=400)


async def _decided(visit: Visit, outcome: DeviceGrant | NotDecided, *, denied: bool) -> Response:
    if isinstance(outcome, DeviceGrant):
        done = "voted for" if outcome.state is GrantState.PENDING else outcome.state.value
        log.info("%r %s the request %s", visit.operator, done, outcome.grant_id)
        return _to_request(visit)
    if outcome.refusal is Refusal.UNKNOWN or outcome.grant is None:
        return visit.error(error_pages.NO_REQUEST)
    if outcome.refusal is Refusal.SAME_PERSON or _is_my_own(visit, outcome.grant, denied=denied):
        return _to_request(visit)
    typed = Typed(reason=visit.form.get("reason", ""), suffix=visit.form.get("suffix", "")[:9])
    return await _unchanged(visit, outcome, typed)


def _is_my_own(visit: Visit, grant: DeviceGrant, *, denied: bool) -> bool:
    """Return whether the same person made the same decision before, as by a double tap."""
    if grant.decision is None or grant.decision.author.name != visit.operator:
        return False
    return (grant.state is GrantState.DENIED) is denied
