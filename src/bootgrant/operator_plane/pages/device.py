"""``/device`` (type the code) and ``/d/<CODE>`` (scan it): both lead to the request that waits under this code.

A code that nobody uses, an expired one and one that was decided get the same answer (RFC 8628 section 5.1).
"""

from __future__ import annotations

import math

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.codes import display_user_code, normalise_user_code
from bootgrant.approval.grant import GrantState
from bootgrant.operator_plane import trouble
from bootgrant.operator_plane.confirmation import typed_proof
from bootgrant.operator_plane.pages.card import TYPED
from bootgrant.operator_plane.visit import Visit
from bootgrant.operator_plane.wording import text
from bootgrant.workflows.limits.rates import address_key, name_key

_SHOWN = 64


async def show(visit: Visit) -> Response:
    """The form, with a code that was typed before a lost session."""
    return _form(visit, visit.asked("code"))


async def enter(visit: Visit) -> Response:
    """The typed code: who typed it all is not asked for its end again."""
    return await _look_up(visit, visit.form.get("code", ""), was_typed=True)


async def scanned(visit: Visit) -> Response:
    """The code in the address that the machine's QR carries."""
    return await _look_up(visit, visit.request.path_params["code"], was_typed=False)


async def _look_up(visit: Visit, typed: str, *, was_typed: bool) -> Response:
    letters = normalise_user_code(typed)
    if letters is None:
        return _form(visit, typed, text("device.no_code"), 400)
    plane, now = visit.plane, visit.plane.clock.steady()
    wait = plane.codes_by_operator.attempt(name_key(visit.operator or ""), now)
    wait = wait or plane.codes_by_address.attempt(address_key(visit.address), now)
    if wait:
        return visit.trouble(trouble.too_many("codes", wait), {"retry-after": str(math.ceil(wait))})
    # Not the card: how long its evidence takes would tell a code that was used from one that never was.
    grant = await plane.decide.cards.find(letters)
    if grant is None or grant.state_at(plane.clock.now()) is not GrantState.PENDING:
        code = display_user_code(letters)
        return _form(visit, code, text("device.nobody", code=code), 404)
    address = f"/requests/{grant.grant_id}"
    if was_typed and visit.session:
        address += f"?{TYPED}={typed_proof(visit.session, grant.grant_id)}"
    return RedirectResponse(address, 303)


def _form(visit: Visit, typed: str, problem: str = "", status: int = 200) -> Response:
    return visit.page("device.html", status, typed=typed[:_SHOWN], problem=problem)
