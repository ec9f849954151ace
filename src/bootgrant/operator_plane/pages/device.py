"""``/device`` (type the code) and ``/d/<CODE>`` (scan it): both lead to the pending request with this code.

Only a code that a person typed into the form of this page proves that they saw the machine's screen. An address can
come from anybody, so nothing in it fills the field, and a scanned code leads to a card that asks for its last
characters.

An unknown code, an expired one and one that was already decided get the same answer (RFC 8628 section 5.1).
"""

from __future__ import annotations

import math

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.codes import display_user_code, normalise_user_code
from bootgrant.approval.login_codes import normalise_login_code
from bootgrant.approval.transitions import GrantState
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.forms import typed_proof
from bootgrant.operator_plane.pages.card import TYPED
from bootgrant.operator_plane.visit import Visit, actor_of
from bootgrant.operator_plane.wording import text
from bootgrant.workflows.limits.rates import address_key, name_key

_SHOWN = 64


async def show(visit: Visit) -> Response:
    """Show the empty form, whatever the address says."""
    return _form(visit, "")


async def enter(visit: Visit) -> Response:
    """Look up a typed code. Its last characters need not be typed again to approve."""
    return await _look_up(visit, visit.form.get("code", ""), was_typed=True)


async def scanned(visit: Visit) -> Response:
    """Look up the code in the URL of the machine's QR code."""
    return await _look_up(visit, visit.request.path_params["code"], was_typed=False)


def wait_for_codes(visit: Visit) -> Response | None:
    """Count an attempt to type or scan a code. Return the error page if there were too many, otherwise None."""
    plane, now = visit.plane, visit.plane.clock.steady()
    wait = plane.codes_by_operator.attempt(name_key(visit.operator or ""), now)
    wait = wait or plane.codes_by_address.attempt(address_key(visit.address), now)
    return visit.error(error_pages.too_many("codes", wait), {"retry-after": str(math.ceil(wait))}) if wait else None


async def _look_up(visit: Visit, typed: str, *, was_typed: bool) -> Response:
    letters = normalise_user_code(typed)
    in_field = typed if was_typed else ""
    if letters is None and normalise_login_code(typed) is not None:
        return _form(visit, in_field, text("command_line.login_code"), 400, is_login=True)
    if letters is None:
        return _form(visit, in_field, text("device.no_code"), 400)
    if too_many := wait_for_codes(visit):
        return too_many
    # Not the card: the time that its evidence takes would distinguish a used code from an unknown one.
    grant = await visit.plane.decide.cards.find(letters)
    if grant is None or grant.state_at(visit.plane.clock.now()) is not GrantState.PENDING:
        if grant is not None:
            visit.plane.codes_again.entered(grant, actor_of(visit), "typed" if was_typed else "opened", visit.address)
        return _form(visit, in_field, text("device.not_found", code=display_user_code(letters)), 404)
    address = f"/requests/{grant.grant_id}"
    if was_typed and visit.session:
        address += f"?{TYPED}={typed_proof(visit.session, grant.grant_id)}"
    return RedirectResponse(address, 303)


def _form(visit: Visit, typed: str, problem: str = "", status: int = 200, *, is_login: bool = False) -> Response:
    return visit.page("device.html", status, typed=typed[:_SHOWN], problem=problem, is_login=is_login)
