"""``/login`` and ``/logout``. Whoever signs in arrives where they wanted to go."""

from __future__ import annotations

import logging
import math
import re
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse, Response

from bootgrant.operator_plane import trouble
from bootgrant.operator_plane.visit import Visit
from bootgrant.wire.secret import Secret
from bootgrant.workflows.sign_in import NotSignedIn, SignInRefused

log = logging.getLogger("bootgrant.operators")

_PATH: Final = re.compile(r"/(?![/\\])[!-~]*")
_MOST: Final = 1024
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


async def show(visit: Visit) -> Response:
    """The form; somebody who is signed in goes on at once."""
    goal = local_path(visit.asked("next"))
    return RedirectResponse(goal, 303) if visit.operator else _form(visit, goal)


async def sign_in(visit: Visit) -> Response:
    """Look at name and password, and begin a new session; the old one of this browser ends."""
    name, goal = visit.form.get("name", ""), local_path(visit.form.get("next", ""))
    outcome = await visit.plane.sign_in.sign_in(name, Secret(visit.form.get("password", "")), visit.client)
    if isinstance(outcome, SignInRefused):
        log.info("sign-in of %r from %s refused: %s", name[:64], visit.address, outcome.why.value)
        return _refused(visit, goal, name, outcome)
    if visit.session:
        await visit.plane.sessions.end(visit.session)
    log.info("%r signed in from %s", name, visit.address)
    response = RedirectResponse(goal, 303)
    visit.plane.cookie.set(response, outcome.session)
    return response


async def sign_out(visit: Visit) -> Response:
    """End the session, here and in the store."""
    if visit.session:
        await visit.plane.sessions.end(visit.session)
    response = RedirectResponse("/login", 303)
    visit.plane.cookie.clear(response)
    return response


def local_path(text: str) -> str:
    """``text`` when it is a path of this server, else ``/``: a sign-in link must not lead elsewhere."""
    return text if len(text) <= _MOST and _PATH.fullmatch(text) else "/"


def _refused(visit: Visit, goal: str, name: str, refused: SignInRefused) -> Response:
    match refused.why:
        case NotSignedIn.WRONG:
            return _form(visit, goal, name, "Wrong name or password.", status=403)
        case NotSignedIn.BUSY:
            return _form(visit, goal, name, "Many people sign in at this moment. Try again.", status=503)
        case NotSignedIn.TOO_MANY:
            wait = {"retry-after": str(math.ceil(refused.wait))}
            return visit.trouble(trouble.too_many("sign-ins", refused.wait), wait)


def _form(visit: Visit, goal: str, name: str = "", problem: str = "", status: int = 200) -> Response:
    url = urlsplit(visit.plane.public_url)
    return visit.page(
        "login.html",
        status,
        goal=goal,
        name=name,
        problem=problem,
        open_to_all=url.scheme == "http" and url.hostname not in _LOOPBACK,
    )
