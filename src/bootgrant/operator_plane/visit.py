"""One request of one person, let through by the permission of its route."""

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
from bootgrant.operator_plane import trouble
from bootgrant.operator_plane.csrf import FIELD, csrf_token, is_from_here, is_right_token
from bootgrant.operator_plane.forms import most_bytes, read_form
from bootgrant.operator_plane.permissions import LEAST_ROLE, Permission, is_allowed
from bootgrant.operator_plane.plane import OperatorPlane
from bootgrant.operator_plane.rendering import render
from bootgrant.ports.people import Stage
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.sign_in import Client, SignedIn

AUTO: Final = "auto"
"""The query parameter of a page that loads itself anew: nobody is there, and the session may idle out."""

_FORMS: Final = re.compile(r"/(approve|deny|revoke|assign|unassign)$")
_NOT_KEPT: Final = frozenset({FIELD, "next", "password", "answer"})
_KEPT_LENGTH: Final = 300
_KEPT_QUERY: Final = 3900
"""Characters: what comes back has to fit into an address (arrival.py)."""

STAGE_PAGES: Final = {Stage.SECOND_FACTOR: "/login/second", Stage.ENROLMENT: "/account/passkeys/new"}
"""Where a sign-in goes on that is not complete."""


@dataclass(frozen=True, slots=True)
class Visit:
    """``session`` and ``who`` are None together: nobody is signed in. ``form`` is empty but for a POST."""

    plane: OperatorPlane
    request: Request
    form: Mapping[str, str]
    session: Secret | None
    who: SignedIn | None

    @property
    def actor(self) -> Actor | None:
        """Who this is, as decisions and the audit name them; None until the sign-in is complete."""
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
        """Where this person sits, for the list of their sessions."""
        return Client(self.address, self.request.headers.get("user-agent", ""))

    @property
    def csrf(self) -> str:
        """The token for this person's forms; empty when nobody is signed in."""
        return csrf_token(self.session) if self.session else ""

    def page(self, template: str, status: int = 200, **values: object) -> Response:
        """A template as this person sees it."""
        role = " ".join((self.actor.role.value, *map(str, self.actor.labels))) if self.actor else ""
        return render(template, {"role": role, **values}, operator=self.operator, csrf=self.csrf, status=status)

    def trouble(self, what: trouble.Trouble, headers: Mapping[str, str] | None = None) -> Response:
        """A page of trouble as this person sees it."""
        return trouble.page(what, self.operator, self.csrf, headers)

    async def is_still_signed_in(self) -> bool:
        """Whether the session of a visit that takes long still counts; asking does not keep it from idling out."""
        return self.session is not None and await self.plane.sessions.who(self.session, present=False) is not None

    def nobody(self) -> Visit:
        """The same visit, of somebody who has just signed out."""
        return replace(self, session=None, who=None)

    def goal_query(self, goal: str) -> str:
        """``next=…`` for a page of the sign-in."""
        return urlencode({"next": goal})

    @property
    def is_automatic(self) -> bool:
        """Whether a page asks by itself: nobody has to be there."""
        return _is_automatic(self.request)

    def asked(self, name: str) -> str:
        """A query parameter."""
        return self.request.query_params.get(name, "")


def signed_in(visit: Visit) -> Actor:
    """Who this is, on a page that only they reach who are signed in."""
    if visit.actor is None:
        raise AssertionError("the permission of the route lets in only those who are signed in")
    return visit.actor


Handler = Callable[[Visit], Awaitable[Response]]


def guarded(plane: OperatorPlane, permission: Permission, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """``handler`` behind its permission and, for a form, behind the checks against forms of other sites."""

    async def endpoint(request: Request) -> Response:
        form = await _read_form(plane, request)
        if isinstance(form, trouble.Trouble):
            return trouble.page(form)
        visit = await _recognise(plane, request, form)
        match permission:
            case Permission.PUBLIC:
                return await handler(visit)
            case Permission.AFTER_PASSWORD:
                return _not_yet(visit) or await handler(visit)
            case Permission.SIGNED_IN | Permission.APPROVER | Permission.ADMIN | Permission.ADMIN_OF_ALL:
                return _not_yet(visit) or _half(visit) or _not_enough(visit, permission) or await handler(visit)

    return endpoint


def _not_yet(visit: Visit) -> Response | None:
    """Where somebody goes who is not signed in, or whose form is of another session; None for the others."""
    if visit.session is None or visit.who is None:
        return RedirectResponse(f"/login?{urlencode({'next': way_back(visit)})}", 303)
    if visit.request.method == "POST" and not is_right_token(visit.session, visit.form.get(FIELD, "")):
        return visit.trouble(trouble.stale_form(way_back(visit)))
    return None


def _half(visit: Visit) -> Response | None:
    """The next step for somebody whose sign-in is not complete; None for the others."""
    page = STAGE_PAGES.get(visit.who.session.stage) if visit.who else None
    return RedirectResponse(f"{page}?{visit.goal_query(way_back(visit))}", 303) if page else None


def _not_enough(visit: Visit, permission: Permission) -> Response | None:
    """The page for somebody whose role is too low for this route; None for the others."""
    if visit.actor is None or not is_allowed(visit.actor, permission):
        return visit.trouble(trouble.not_allowed(LEAST_ROLE[permission].value))
    return None


def way_back(visit: Visit) -> str:
    """The page to come back to after sign-in, with what was typed."""
    # Not request.url: it raises for a query that is not UTF-8.
    path: str = visit.request.scope["path"]
    if visit.request.method != "POST":
        query: str = visit.request.scope["query_string"].decode("latin-1")
        return f"{path}?{query}" if query else path
    page = _FORMS.sub("", path).replace("/logout", "/")
    if page.startswith("/account"):
        return "/account"
    typed = ""
    for name, text in visit.form.items():
        more = "&" * bool(typed) + urlencode({name: text[:_KEPT_LENGTH]})
        if text and name not in _NOT_KEPT and len(typed) + len(more) <= _KEPT_QUERY:
            typed += more
    return f"{page}?{typed}" if typed else page


def sign_in_again_first(visit: Visit, goal: str = "") -> Response | None:
    """Where somebody goes first whose sign-in is not fresh enough for what is precious; None when it is.

    What they typed comes back with them, to ``goal`` or to the page that they are on (setting ``operators.fresh``).
    """
    if visit.who is not None and visit.plane.sessions.is_fresh(visit.who.session):
        return None
    return RedirectResponse(f"/login/again?{visit.goal_query(goal or way_back(visit))}", 303)


def who_is(visit: Visit) -> SignedIn:
    """Who this is, on a route whose permission lets in nobody else."""
    if visit.who is None:
        raise AssertionError("the permission of the route lets in only those with a session")
    return visit.who


async def _read_form(plane: OperatorPlane, request: Request) -> Mapping[str, str] | trouble.Trouble:
    if request.method != "POST":
        return {}
    if not is_from_here(request, plane.public_url):
        return trouble.foreign_form(plane.public_url)
    try:
        body = await read_body(request.scope, request.receive, most_bytes(request.scope["path"]))
    except BodyTooLarge:
        return trouble.TOO_LARGE
    except ClientGone:
        return trouble.BROKEN_FORM
    form = read_form(request.scope["path"], request.headers.get("content-type", ""), body)
    return trouble.BROKEN_FORM if form is None else form


def _is_automatic(request: Request) -> bool:
    """A page that looks at itself again, or listens for changes, is nobody's presence."""
    return AUTO in request.query_params or request.scope["path"] == "/events"


async def _recognise(plane: OperatorPlane, request: Request, form: Mapping[str, str]) -> Visit:
    session = plane.cookie.read(request)
    if session is not None:
        who = await plane.sessions.who(session, present=not _is_automatic(request))
        if who is not None:
            return Visit(plane, request, form, session, who)
    return Visit(plane, request, form, None, None)
