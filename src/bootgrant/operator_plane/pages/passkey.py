"""Passkeys: ``/login/passkey`` (alone), ``/login/second`` (after the password), and registering one."""

from __future__ import annotations

import logging
from typing import Final

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.operators import VIA_PASSKEY, Actor, Kind
from bootgrant.operator_plane import trouble
from bootgrant.operator_plane.arrival import arrive, local_path, note_refused
from bootgrant.operator_plane.pages.login import too_many
from bootgrant.operator_plane.visit import Visit, sign_in_again_first, who_is
from bootgrant.operator_plane.wording import text
from bootgrant.ports.people import Passkey, Purpose, Stage
from bootgrant.workflows.people.passkeys import PasskeyRefused, Passkeys
from bootgrant.workflows.people.sign_in import NewSession, NotSignedIn
from bootgrant.workflows.record.audit import operator_changed

log = logging.getLogger("bootgrant.operators")

_TEXTS: Final = {
    Purpose.SIGN_IN: (text("passkey.alone_title"), "/login/passkey"),
    Purpose.SECOND_FACTOR: (text("passkey.second_title"), "/login/second"),
}


async def show_alone(visit: Visit) -> Response:
    """Ask the browser for any passkey of this site."""
    goal = local_path(visit.asked("next"))
    return RedirectResponse(goal, 303) if visit.operator else await _ask(visit, Purpose.SIGN_IN, goal)


async def sign_in_alone(visit: Visit) -> Response:
    """The passkey that the browser showed, alone."""
    return await _shown(visit, Purpose.SIGN_IN)


async def show_second(visit: Visit) -> Response:
    """Ask for a passkey of whose password was right."""
    goal = local_path(visit.asked("next"))
    if who_is(visit).session.stage is not Stage.SECOND_FACTOR:
        return RedirectResponse(goal, 303)
    return await _ask(visit, Purpose.SECOND_FACTOR, goal)


async def sign_in_second(visit: Visit) -> Response:
    """The passkey after the password."""
    return await _shown(visit, Purpose.SECOND_FACTOR)


async def sign_in_again(visit: Visit) -> Response:
    """The passkey of somebody who is signed in, and not lately enough."""
    return await _shown(visit, Purpose.AGAIN)


async def show_new(visit: Visit) -> Response:
    """The form to register a passkey: from the account page, or because a sign-in needs one."""
    return _not_now(visit) or await _ask_new(visit, local_path(visit.asked("next") or "/account"))


async def register(visit: Visit) -> Response:
    """Keep the passkey that the browser made. A sign-in that needed one is complete with it."""
    goal = local_path(visit.form.get("next", ""))
    if refused := _not_now(visit):
        return refused
    who = who_is(visit)
    outcome = await _passkeys(visit).register(who, visit.form.get("answer", ""), visit.form.get("name", ""))
    if isinstance(outcome, PasskeyRefused):
        return await _ask_new(visit, goal, outcome.value, 403)
    log.info("%r registered the passkey %r from %s", who.operator.name, outcome.name, visit.address)
    await _note(visit, f"registered the passkey {outcome.name}")
    if who.session.stage is Stage.FULL:
        return RedirectResponse(goal, 303)
    session = await visit.plane.sessions.begin(who.operator, VIA_PASSKEY, visit.client)
    return await arrive(visit, NewSession(session, Stage.FULL, who.operator, VIA_PASSKEY), goal)


async def remove(visit: Visit) -> Response:
    """Forget one of one's own passkeys."""
    if again := sign_in_again_first(visit, "/account"):
        return again
    if visit.plane.passkeys is None:
        return visit.trouble(trouble.NO_PASSKEYS)
    name = who_is(visit).operator.name
    try:
        credential_id = bytes.fromhex(visit.form.get("passkey", ""))
    except ValueError:
        credential_id = b""
    if await visit.plane.passkeys.remove(name, credential_id):
        log.info("%r removed a passkey from %s", name, visit.address)
        await _note(visit, "removed a passkey")
    return RedirectResponse("/account", 303)


async def known_to(visit: Visit) -> tuple[Passkey, ...]:
    """The passkeys of who is signed in, for the account page."""
    return tuple(await visit.plane.passkeys.of(who_is(visit).operator.name)) if visit.plane.passkeys else ()


async def _note(visit: Visit, done: str) -> None:
    operator, via = who_is(visit).operator, who_is(visit).session.via
    actor = Actor(operator.name, operator.role, operator.labels, via)
    await visit.plane.audit.append([operator_changed(visit.plane.clock.now(), actor, operator.name, done)])


def _passkeys(visit: Visit) -> Passkeys:
    if visit.plane.passkeys is None:
        raise AssertionError("who may not register one was sent away before")
    return visit.plane.passkeys


def _not_now(visit: Visit) -> Response | None:
    """Where somebody goes who cannot register a passkey now; None for the others."""
    who = who_is(visit)
    if visit.plane.passkeys is None:
        return visit.trouble(trouble.NO_PASSKEYS)
    if who.operator.kind is not Kind.LOCAL:
        return visit.trouble(trouble.NOT_YOUR_PASSKEYS)
    if who.session.stage is Stage.SECOND_FACTOR:
        return RedirectResponse("/login/second", 303)
    return sign_in_again_first(visit, "/account/passkeys/new") if who.session.stage is Stage.FULL else None


async def _ask(visit: Visit, purpose: Purpose, goal: str, problem: str = "", status: int = 200) -> Response:
    if visit.plane.passkeys is None:
        return visit.trouble(trouble.NO_PASSKEYS)
    if purpose is Purpose.SIGN_IN and (wait := visit.plane.sign_in_pages(visit.address)):
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
        half=purpose is Purpose.SECOND_FACTOR,
    )


async def _ask_new(visit: Visit, goal: str, problem: str = "", status: int = 200) -> Response:
    who = who_is(visit)
    options = await _passkeys(visit).registration_options(who)
    enrolling = who.session.stage is Stage.ENROLMENT
    return visit.page("new_passkey.html", status, goal=goal, options=options, problem=problem, enrolling=enrolling)


async def _shown(visit: Visit, purpose: Purpose) -> Response:
    goal = local_path(visit.form.get("next", ""))
    if visit.plane.passkeys is None:
        return visit.trouble(trouble.NO_PASSKEYS)
    wait = visit.plane.sign_in.count_attempt(visit.address)
    if wait:
        note_refused(visit, NotSignedIn.TOO_MANY.value, VIA_PASSKEY)
        return too_many(visit, wait)
    who = visit.who if purpose is not Purpose.SIGN_IN else None
    outcome = await visit.plane.passkeys.sign_in(purpose, visit.form.get("answer", ""), visit.client, who)
    if isinstance(outcome, NewSession):
        return await arrive(visit, outcome, goal)
    log.info("a passkey from %s was refused: %s", visit.address, outcome.name.lower())
    note_refused(visit, f"passkey: {outcome.name.lower()}", VIA_PASSKEY, who.operator.name if who else "")
    if purpose is Purpose.AGAIN:
        return RedirectResponse(f"/login/again?{visit.goal_query(goal)}", 303)
    return await _ask(visit, purpose, goal, outcome.value, 403)
