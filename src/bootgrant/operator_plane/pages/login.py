"""``/login``, ``/login/again`` and ``/logout``. Whoever signs in arrives where they wanted to go."""

from __future__ import annotations

import logging
import math
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.operators import VIA_SESSION, Kind
from bootgrant.operator_plane import trouble
from bootgrant.operator_plane.arrival import arrive, local_path, note, note_refused
from bootgrant.operator_plane.visit import Visit, who_is
from bootgrant.operator_plane.wording import text
from bootgrant.ports.people import Purpose
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.sign_in import NewSession, NotSignedIn, SignInRefused

log = logging.getLogger("bootgrant.operators")

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


async def show(visit: Visit) -> Response:
    """The form; somebody who is signed in goes on at once."""
    goal = local_path(visit.asked("next"))
    return RedirectResponse(goal, 303) if visit.operator else form(visit, goal)


async def sign_in(visit: Visit) -> Response:
    """Look at name and password, and begin a new session."""
    name, goal = visit.form.get("name", ""), local_path(visit.form.get("next", ""))
    outcome = await _look(visit, name)
    if isinstance(outcome, SignInRefused):
        if outcome.why is NotSignedIn.TOO_MANY:
            return too_many(visit, outcome.wait)
        return form(visit, goal, name, *told(outcome.why))
    return await arrive(visit, outcome, goal)


async def show_again(visit: Visit) -> Response:
    """The form for somebody who is signed in, and not lately enough for what comes next."""
    return await _again(visit, local_path(visit.asked("next")))


async def sign_in_again(visit: Visit) -> Response:
    """Look at the password of who is signed in: a new session."""
    goal = local_path(visit.form.get("next", ""))
    outcome = await _look(visit, who_is(visit).operator.name)
    if isinstance(outcome, SignInRefused):
        if outcome.why is NotSignedIn.TOO_MANY:
            return too_many(visit, outcome.wait)
        problem, status = told(outcome.why)
        return await _again(visit, goal, problem, status)
    return await arrive(visit, outcome, goal)


async def sign_out(visit: Visit) -> Response:
    """End the session, here and in the store."""
    if visit.session:
        await visit.plane.sessions.end(visit.session)
    if visit.actor:
        await note(visit, AuditKind.SIGNED_OUT, visit.actor)
    response = await _signed_out(visit)
    visit.plane.cookie.clear(response)
    return response


async def _signed_out(visit: Visit) -> Response:
    """Offer to end the session at the provider too, or return to the sign-in form."""
    oidc, who, url = visit.plane.oidc, visit.who, None
    provider = oidc.provider_of(who) if who else None
    if provider is not None and visit.session is not None and who is not None:
        url = await oidc.sign_out_url(visit.session, who)
    if provider is None or not url:
        return RedirectResponse("/login", 303)
    return visit.nobody().page("signed_out.html", label=provider.label, url=url)


def too_many(visit: Visit, wait: float) -> Response:
    """The page for who tries too fast."""
    return visit.trouble(trouble.too_many("sign-ins", wait), {"retry-after": str(math.ceil(wait))})


def form(visit: Visit, goal: str, name: str = "", problem: str = "", status: int = 200) -> Response:
    """The page with every way to sign in."""
    url = urlsplit(visit.plane.public_url)
    return visit.page(
        "login.html",
        status,
        goal=goal,
        name=name,
        problem=problem,
        passkeys=visit.plane.passkeys is not None,
        providers=tuple(visit.plane.oidc.providers.values()),
        open_to_all=url.scheme == "http" and url.hostname not in _LOOPBACK,
    )


async def _look(visit: Visit, name: str) -> NewSession | SignInRefused:
    outcome = await visit.plane.sign_in.sign_in(name, Secret(visit.form.get("password", "")), visit.client)
    if isinstance(outcome, SignInRefused):
        log.info("sign-in of %r from %s refused: %s", name[:64], visit.address, outcome.why.value)
        note_refused(visit, outcome.why.value, VIA_SESSION, outcome.name)
    return outcome


def told(why: NotSignedIn) -> tuple[str, int]:
    """What the form says of a refusal, and its status."""
    if why is NotSignedIn.BUSY:
        return text("login.busy"), 503
    return text("login.wrong"), 403


async def _again(visit: Visit, goal: str, problem: str = "", status: int = 200) -> Response:
    who, passkeys, options = who_is(visit), visit.plane.passkeys, ""
    if passkeys is not None and who.operator.kind is Kind.LOCAL and await passkeys.of(who.operator.name):
        options = await passkeys.options(Purpose.AGAIN, who)
    return visit.page(
        "again.html",
        status,
        goal=goal,
        name=who.operator.name,
        password=bool(who.operator.password_hash),
        options=options,
        problem=problem,
        provider=visit.plane.oidc.provider_of(who),
    )
