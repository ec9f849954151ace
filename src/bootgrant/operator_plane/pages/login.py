"""``/login``, ``/login/again`` and ``/logout``. After a sign-in the person gets to the page they asked for."""

from __future__ import annotations

import logging
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.operators import VIA_SESSION, Kind
from bootgrant.operator_plane.pages.arrival import arrive, local_path, record, record_refusal, too_many
from bootgrant.operator_plane.visit import Visit, signed_in
from bootgrant.operator_plane.wording import text
from bootgrant.ports.people import Purpose
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.sign_in import NewSession, NotSignedIn, SignInRefused

log = logging.getLogger("bootgrant.operators")

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


async def show(visit: Visit) -> Response:
    """Show the sign-in form, or continue if already signed in."""
    goal = local_path(visit.query("next"))
    return RedirectResponse(goal, 303) if visit.operator else _form(visit, goal)


async def sign_in(visit: Visit) -> Response:
    """Check name and password, and begin a session."""
    name, goal = visit.form.get("name", ""), local_path(visit.form.get("next", ""))
    outcome = await _check(visit, name)
    if isinstance(outcome, SignInRefused):
        if outcome.why is NotSignedIn.TOO_MANY:
            return too_many(visit, outcome.wait)
        return _form(visit, goal, name, *explain(outcome.why))
    return await arrive(visit, outcome, goal)


async def show_again(visit: Visit) -> Response:
    """Show the form for a signed-in operator whose sign-in is not recent enough."""
    return await _again(visit, local_path(visit.query("next")))


async def sign_in_again(visit: Visit) -> Response:
    """Check the password of the signed-in operator, and begin a new session."""
    goal = local_path(visit.form.get("next", ""))
    outcome = await _check(visit, signed_in(visit).operator.name)
    if isinstance(outcome, SignInRefused):
        if outcome.why is NotSignedIn.TOO_MANY:
            return too_many(visit, outcome.wait)
        return await _again(visit, goal, *explain(outcome.why))
    return await arrive(visit, outcome, goal)


async def sign_out(visit: Visit) -> Response:
    """End the session in the browser and in the store."""
    if visit.session and visit.who:
        # First, because the provider may call back as soon as the session has ended there.
        await visit.plane.logout.note_own(visit.who)
        await visit.plane.sessions.end(visit.session)
    if visit.actor:
        await record(visit, AuditKind.SIGNED_OUT, visit.actor)
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
    return visit.signed_out().page("signed_out.html", label=provider.label, url=url)


def explain(why: NotSignedIn) -> tuple[str, int]:
    """Return the message of the form about a refusal, and its status."""
    if why is NotSignedIn.BUSY:
        return text("login.busy"), 503
    return text("login.wrong"), 403


def _form(visit: Visit, goal: str, name: str = "", problem: str = "", status: int = 200) -> Response:
    url = urlsplit(visit.plane.public_url)
    return visit.page(
        "login.html",
        status,
        goal=goal,
        name=name,
        problem=problem,
        passkeys=visit.plane.passkeys is not None,
        providers=tuple(visit.plane.oidc.providers.values()),
        is_unencrypted=url.scheme == "http" and url.hostname not in _LOOPBACK,
    )


async def _check(visit: Visit, name: str) -> NewSession | SignInRefused:
    outcome = await visit.plane.sign_in.sign_in(name, Secret(visit.form.get("password", "")), visit.client)
    if isinstance(outcome, SignInRefused):
        log.info("sign-in of %r from %s refused: %s", name[:64], visit.address, outcome.why.value)
        record_refusal(visit, outcome.why.value, VIA_SESSION, outcome.name)
    return outcome


async def _again(visit: Visit, goal: str, problem: str = "", status: int = 200) -> Response:
    who, passkeys, options = signed_in(visit), visit.plane.passkeys, ""
    if passkeys is not None and who.operator.kind is Kind.LOCAL and await passkeys.store.passkeys_of(who.operator.name):
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
