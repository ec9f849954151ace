"""``/account/password``: another password for oneself."""

from __future__ import annotations

import logging

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.operators import Kind
from bootgrant.operator_plane import trouble
from bootgrant.operator_plane.arrival import note_refused
from bootgrant.operator_plane.pages.login import told, too_many
from bootgrant.operator_plane.visit import Visit, signed_in, who_is
from bootgrant.operator_plane.wording import sentence, text
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.sign_in import NotSignedIn, OwnPassword, PasswordRefused, SignInRefused
from bootgrant.workflows.record.audit import operator_changed

log = logging.getLogger("bootgrant.operators")


async def show(visit: Visit) -> Response:
    """The form."""
    return _not_here(visit) or visit.page("password.html", problem="")


async def change(visit: Visit) -> Response:
    """Take the new password; every other session of this person ends."""
    if refused := _not_here(visit):
        return refused
    new = visit.form.get("new", "")
    if new != visit.form.get("again", ""):
        return visit.page("password.html", 400, problem=text("password.not_the_same"))
    who, actor = who_is(visit), signed_in(visit)
    old = Secret(visit.form.get("password", ""))
    outcome = await OwnPassword(visit.plane.sign_in).change(who, old, Secret(new), visit.client)
    if isinstance(outcome, PasswordRefused):
        return visit.page("password.html", 400, problem=sentence(outcome.message))
    if isinstance(outcome, SignInRefused):
        note_refused(visit, outcome.why.value, actor.via, actor.name)
        if outcome.why is NotSignedIn.TOO_MANY:
            return too_many(visit, outcome.wait)
        problem, status = (text("password.wrong"), 403) if outcome.why is NotSignedIn.WRONG else told(outcome.why)
        return visit.page("password.html", status, problem=problem)
    log.info("%r changed their password from %s", actor.name, visit.address)
    now = visit.plane.clock.now()
    await visit.plane.audit.append([operator_changed(now, actor, actor.name, "took another password")])
    response = RedirectResponse("/account", 303)
    visit.plane.cookie.set(response, outcome.session)
    return response


def _not_here(visit: Visit) -> Response | None:
    """The page for somebody whose password is not theirs to change; None for the others."""
    return None if who_is(visit).operator.kind is Kind.LOCAL else visit.trouble(trouble.NOT_YOUR_PASSWORD)
