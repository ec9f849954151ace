"""One HTTP request of one person, checked against the permission of its route."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from bootgrant.approval.operators import Actor
from bootgrant.asgi.body_limit import BodyTooLarge, ClientGone, read_body
from bootgrant.asgi.client_address import client_address
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.error_pages import ErrorPage
from bootgrant.operator_plane.forms import CSRF_FIELD, csrf_token, is_from_here, is_right_token, most_bytes, read_form
from bootgrant.operator_plane.frame import Frame
from bootgrant.operator_plane.permissions import FOR_EVERY_MACHINE, Permission, is_allowed, named_roles
from bootgrant.operator_plane.plane import OperatorPlane
from bootgrant.operator_plane.rendering import render
from bootgrant.ports.people import Stage
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.sign_in import Client, SignedIn

AUTO: Final = "auto"
"""The query parameter of a page that reloads itself. It does not keep the session from idling out."""

_FORMS: Final = re.compile(r"/(approve|deny|undeny|revoke|assign|unassign|reveal)$")
_NOT_KEPT: Final = frozenset({CSRF_FIELD, "next", "password", "answer", "code", "suffix", "typed"})
"""Fields that no address may carry: secrets, and the proofs that a person looked at the machine's screen."""

_KEPT_LENGTH: Final = 300
_KEPT_QUERY: Final = 3900
"""Characters. The result has to fit into an address (pages/arrival.py)."""

STAGE_PAGES: Final = {Stage.SECOND_FACTOR: "/login/second", Stage.ENROLMENT: "/account/passkeys/new"}
"""The next page of an incomplete sign-in."""


@dataclass(frozen=True, slots=True)
class Visit:
    """``session`` and ``who`` are both None if nobody is signed in. ``form`` is empty unless the request is a POST."""

    plane: OperatorPlane
    request: Request
    form: Mapping[str, str]
    session: Secret | None
    who: SignedIn | None

    @property
    def actor(self) -> Actor | None:
        """The person, as decisions and the audit name them, or None until the sign-in is complete."""
        return self.who.actor if self.who and self.who.session.stage is Stage.FULL else None

    @property
    def operator(self) -> str | None:
        """The name of ``actor``."""
        return self.actor.name if self.actor else None

    @property
    def address(self) -> str:
        return str(client_address(self.request.scope) or "unknown")

    @property
    def client(self) -> Client:
        """The person's address and browser, for the limits of sign-ins and the list of their sessions."""
        device = self.plane.device_cookie.read(self.request)
        return Client(self.address, self.request.headers.get("user-agent", ""), device)

    @property
    def csrf(self) -> str:
        """The token for this person's forms, empty if nobody is signed in."""
        return csrf_token(self.session) if self.session else ""

    @property
    def is_automatic(self) -> bool:
        """Whether the page made this request, and not necessarily a person."""
        return _is_automatic(self.request)

    @property
    def frame(self) -> Frame:
        """What is around the pages of this person."""
        return Frame(self.plane.look, self.actor, self.csrf)

    def page(self, template: str, status: int = 200, **values: object) -> Response:
        """Render a template for this person."""
        return render(template, values, self.frame, status)

    def error(self, error: ErrorPage, headers: Mapping[str, str] | None = None) -> Response:
        """Render an error page for this person."""
        return error_pages.respond(error, self.frame, headers)

    async def is_still_signed_in(self) -> bool:
        """Return whether the session of a long request is still valid, without keeping it from idling out."""
        return self.session is not None and await self.plane.sessions.who(self.session, present=False) is not None

    def signed_out(self) -> Visit:
        """Return the same visit without a session."""
        return replace(self, session=None, who=None)

    def goal_query(self, goal: str) -> str:
        """Return ``next=…`` for a page of the sign-in."""
        return urlencode({"next": goal})

    def query(self, name: str) -> str:
        """Return a query parameter, or ""."""
        return self.request.query_params.get(name, "")


Handler = Callable[[Visit], Awaitable[Response]]


def guarded(plane: OperatorPlane, permission: Permission, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Wrap ``handler`` in the check of its permission and, for a form, in the checks against forms of other sites."""

    async def endpoint(request: Request) -> Response:
        is_program = permission is Permission.PROVIDER
        form = await _read_form(plane, request, is_program=is_program)
        if isinstance(form, ErrorPage):
            return error_pages.respond(form, Frame(plane.look))
        if is_program:
            return await handler(Visit(plane, request, form, None, None))
        visit = await _recognise(plane, request, form)
        match permission:
            case Permission.PUBLIC | Permission.PROVIDER:
                return await handler(visit)
            case Permission.AFTER_PASSWORD:
                return _without_session(visit) or await handler(visit)
            case _:
                refusal = _without_session(visit) or _before_completion(visit) or _without_role(visit, permission)
                return refusal or await _absent(visit) or await handler(visit)

    return endpoint


def _without_session(visit: Visit) -> Response | None:
    """Refuse a visit without a session, or a form of another session. Return None for any other visit."""
    if visit.session is None or visit.who is None:
        return RedirectResponse(f"/login?{urlencode({'next': way_back(visit)})}", 303)
    if visit.request.method == "POST" and not is_right_token(visit.session, visit.form.get(CSRF_FIELD, "")):
        return visit.error(error_pages.stale_form(way_back(visit)))
    return None


def _before_completion(visit: Visit) -> Response | None:
    """Redirect an incomplete sign-in to its next step. Return None for a complete one."""
    page = STAGE_PAGES.get(visit.who.session.stage) if visit.who else None
    return RedirectResponse(f"{page}?{visit.goal_query(way_back(visit))}", 303) if page else None


def _without_role(visit: Visit, permission: Permission) -> Response | None:
    """Refuse an operator whose role does not allow this route. Return None for any other."""
    if visit.actor is None or not is_allowed(visit.actor, permission):
        everywhere = permission in FOR_EVERY_MACHINE
        return visit.error(error_pages.not_allowed(named_roles(permission), everywhere=everywhere))
    return None


async def _absent(visit: Visit) -> Response | None:
    """Ask a person who sends a form to sign in when their session at the provider has ended."""
    if visit.request.method != "POST" or visit.who is None or await visit.plane.presence.is_present(visit.who):
        return None
    return _without_session(visit.signed_out())


def way_back(visit: Visit) -> str:
    """Return the page to come back to after the sign-in, with what the person typed, but without their proofs."""
    # Not request.url, which raises on a query that is not UTF-8.
    path: str = visit.request.scope["path"]
    if visit.request.method != "POST":
        query: str = visit.request.scope["query_string"].decode("latin-1")
        return f"{path}?{query}" if query else path
    page = _FORMS.sub("", path).replace("/logout", "/")
    if page.startswith("/account"):
        return "/account"
    if page.startswith("/windows/"):
        return "/"
    typed = ""
    for name, text in visit.form.items():
        more = "&" * bool(typed) + urlencode({name: text[:_KEPT_LENGTH]})
        if text and name not in _NOT_KEPT and len(typed) + len(more) <= _KEPT_QUERY:
            typed += more
    return f"{page}?{typed}" if typed else page


def is_fresh(visit: Visit) -> bool:
    """Return whether the last sign-in is recent enough for what matters most (setting ``operators.fresh``)."""
    return visit.who is not None and visit.plane.sessions.is_fresh(visit.who.session)


def sign_in_again_first(visit: Visit, goal: str = "") -> Response | None:
    """Redirect to a fresh sign-in, or return None if the last one is recent enough (setting ``operators.fresh``).

    Afterwards the person returns to ``goal`` or to the current page, with what they typed.
    """
    if is_fresh(visit):
        return None
    return RedirectResponse(f"/login/again?{visit.goal_query(goal or way_back(visit))}", 303)


def actor_of(visit: Visit) -> Actor:
    """Return who this is, on a route that requires a complete sign-in."""
    if visit.actor is None:
        raise AssertionError("the permission of the route admits only signed-in operators")
    return visit.actor


def signed_in(visit: Visit) -> SignedIn:
    """Return operator and session, on a route that requires a session."""
    if visit.who is None:
        raise AssertionError("the permission of the route admits only visits with a session")
    return visit.who


async def _read_form(
    plane: OperatorPlane, request: Request, *, is_program: bool = False
) -> Mapping[str, str] | ErrorPage:
    """Return the fields of a form. One that a program sends comes from no page."""
    if request.method != "POST":
        return {}
    if not is_program and not is_from_here(request, plane.public_url):
        return error_pages.foreign_form(plane.public_url)
    try:
        body = await read_body(request.scope, request.receive, most_bytes(request.scope["path"]))
    except BodyTooLarge:
        return error_pages.TOO_LARGE
    except ClientGone:
        return error_pages.BROKEN_FORM
    form = read_form(request.scope["path"], request.headers.get("content-type", ""), body)
    return error_pages.BROKEN_FORM if form is None else form


def _is_automatic(request: Request) -> bool:
    return AUTO in request.query_params or request.scope["path"] == "/events"


async def _recognise(plane: OperatorPlane, request: Request, form: Mapping[str, str]) -> Visit:
    session = plane.cookie.read(request)
    if session is not None:
        who = await plane.sessions.who(session, present=not _is_automatic(request))
        if who is not None:
            return Visit(plane, request, form, session, who)
    return Visit(plane, request, form, None, None)


async def frame_for(plane: OperatorPlane, request: Request) -> Frame:
    """Return the frame of a page that no handler answers. Raises StoreUnavailable."""
    return (await _recognise(plane, request, {})).frame
