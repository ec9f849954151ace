"""Passkeys: ``/login/passkey`` (without a password), ``/login/second`` (after it), registering and removing one."""

from __future__ import annotations

import logging
from typing import Final

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.operators import VIA_PASSKEY, Kind
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.pages.arrival import arrive, local_path, record_change, record_refusal, too_many
from bootgrant.operator_plane.visit import Visit, sign_in_again_first, signed_in
from bootgrant.operator_plane.wording import text
from bootgrant.ports.people import Purpose, Stage
from bootgrant.workflows.people.passkeys import PasskeyRefused, Passkeys
from bootgrant.workflows.people.sign_in import NewSession, NotSignedIn

log = logging.getLogger("bootgrant.operators")

_TEXTS: Final = {
    Purpose.SIGN_IN: (text("passkey.only_title"), "/login/passkey"),
    Purpose.SECOND_FACTOR: (text("passkey.second_title"), "/login/second"),
}


async def show_only(visit: Visit) -> Response:
    """Ask the browser for any passkey of this site."""
    goal = local_path(visit.query("next"))
    return RedirectResponse(goal, 303) if visit.operator else await _ask(visit, Purpose.SIGN_IN, goal)


async def sign_in_only(visit: Visit) -> Response:
    """Sign in with a passkey and no password."""
    return await _check(visit, Purpose.SIGN_IN)


async def show_second(visit: Visit) -> Response:
    """Ask for a passkey of the operator whose password was right."""
    goal = local_path(visit.query("next"))
    if signed_in(visit).session.stage is not Stage.SECOND_FACTOR:
        return RedirectResponse(goal, 303)
    return await _ask(visit, Purpose.SECOND_FACTOR, goal)


async def sign_in_second(visit: Visit) -> Response:
    """Sign in with a passkey after the password."""
    return await _check(visit, Purpose.SECOND_FACTOR)


async def sign_in_again(visit: Visit) -> Response:
    """Check a passkey of a signed-in operator whose sign-in is not recent enough."""
    return await _check(visit, Purpose.AGAIN)


async def show_new(visit: Visit) -> Response:
    """Show the form to register a passkey, from the account page or because the sign-in requires one."""
    return _cannot_register(visit) or await _ask_new(visit, local_path(visit.query("next") or "/account"))


async def register(visit: Visit) -> Response:
    """Store the passkey that the browser created. This completes a sign-in that required one."""
    goal = local_path(visit.form.get("next", ""))
    if refused := _cannot_register(visit):
        return refused
    who = signed_in(visit)
    outcome = await _passkeys(visit).register(who, visit.form.get("answer", ""), visit.form.get("name", ""))
    if isinstance(outcome, PasskeyRefused):
        return await _ask_new(visit, goal, outcome.value, 403)
    log.info("%r registered the passkey %r from %s", who.operator.name, outcome.name, visit.address)
    await record_change(visit, f"registered the passkey {outcome.name}")
    if who.session.stage is Stage.FULL:
        return RedirectResponse(goal, 303)
    session = await visit.plane.sessions.begin(who.operator, VIA_PASSKEY, visit.client)
    return await arrive(visit, NewSession(session, Stage.FULL, who.operator, VIA_PASSKEY), goal)


async def remove(visit: Visit) -> Response:
    """Remove one of the operator's own passkeys."""
    if again := sign_in_again_first(visit, "/account"):
        return again
    if visit.plane.passkeys is None:
        return visit.error(error_pages.NO_PASSKEYS)
    name = signed_in(visit).operator.name
    try:
        credential_id = bytes.fromhex(visit.form.get("passkey", ""))
    except ValueError:
        credential_id = b""
    if await visit.plane.passkeys.store.remove_passkey(name, credential_id):
        log.info("%r removed a passkey from %s", name, visit.address)
        await record_change(visit, "removed a passkey")
    return RedirectResponse("/account", 303)


def _passkeys(visit: Visit) -> Passkeys:
    if visit.plane.passkeys is None:
        raise AssertionError("visits to a site without passkeys are refused before")
    return visit.plane.passkeys


def _cannot_register(visit: Visit) -> Response | None:
    """Refuse or redirect an operator who cannot register a passkey now. Return None for any other."""
    who = signed_in(visit)
    if visit.plane.passkeys is None:
        return visit.error(error_pages.NO_PASSKEYS)
    if who.operator.kind is not Kind.LOCAL:
        return visit.error(error_pages.NOT_YOUR_PASSKEYS)
    if who.session.stage is Stage.SECOND_FACTOR:
        return RedirectResponse("/login/second", 303)
    return sign_in_again_first(visit, "/account/passkeys/new") if who.session.stage is Stage.FULL else None


async def _ask(visit: Visit, purpose: Purpose, goal: str, problem: str = "", status: int = 200) -> Response:
    if visit.plane.passkeys is None:
        return visit.error(error_pages.NO_PASSKEYS)
    if purpose is Purpose.SIGN_IN and (wait := visit.plane.count_challenge(visit.address)):
        return too_many(visit, wait)
    options = await visit.plane.passkeys.options(purpose, visit.who)
    title, action = _TEXTS[purpose]
    return visit.page(
        "passkey.html",
        status,
        title=title,
        action=action,
        goal=goal,
        options=options,
        problem=problem,
        after_password=purpose is Purpose.SECOND_FACTOR,
    )


async def _ask_new(visit: Visit, goal: str, problem: str = "", status: int = 200) -> Response:
    who = signed_in(visit)
    options = await _passkeys(visit).registration_options(who)
    enrolling = who.session.stage is Stage.ENROLMENT
    return visit.page("new_passkey.html", status, goal=goal, options=options, problem=problem, enrolling=enrolling)


async def _check(visit: Visit, purpose: Purpose) -> Response:
    goal = local_path(visit.form.get("next", ""))
    if visit.plane.passkeys is None:
        return visit.error(error_pages.NO_PASSKEYS)
    wait = visit.plane.count_passkey(visit.address)
    if wait:
        record_refusal(visit, NotSignedIn.TOO_MANY.value, VIA_PASSKEY)
        return too_many(visit, wait)
    who = visit.who if purpose is not Purpose.SIGN_IN else None
    outcome = await visit.plane.passkeys.sign_in(purpose, visit.form.get("answer", ""), visit.client, who)
    if isinstance(outcome, NewSession):
        return await arrive(visit, outcome, goal)
    log.info("a passkey from %s was refused: %s", visit.address, outcome.name.lower())
    record_refusal(visit, f"passkey: {outcome.name.lower()}", VIA_PASSKEY, who.operator.name if who else "")
    if purpose is Purpose.AGAIN:
        return RedirectResponse(f"/login/again?{visit.goal_query(goal)}", 303)
    return await _ask(visit, purpose, goal, outcome.value, 403)
