"""The API as an ASGI application: on the people's listener for those who show a token, on ``data/admin.sock`` for
whoever may open that.

A request is looked at in one order: does the route exist, who calls, may they, is what they send as the table says.
Errors are ``{"error": …, "message": …}``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any, Final, Generic, TypeVar

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bootgrant.approval.operators import Actor, Role, socket_actor
from bootgrant.asgi.body_limit import BodyTooLarge, ClientGone, read_body
from bootgrant.operator_plane.api.call import AccountsPlane, CallOf, Told, refused
from bootgrant.operator_plane.api.openapi import PATH, document
from bootgrant.operator_plane.api.route import ApiRoute
from bootgrant.operator_plane.api.shapes import Schema
from bootgrant.operator_plane.permissions import LEAST_ROLE, Permission, UndeclaredRoute, is_allowed, permission_of
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.wire.admin_socket import USER_HEADER
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.decide_grant import one_line

log = logging.getLogger("bootgrant.operators")

_OFFERED: Final = frozenset(Permission) - {Permission.AFTER_PASSWORD}
_BODY: Final = 1 << 20
_NO_MEMBERS: Final = b"{}"
_USER_LENGTH: Final = 64

P = TypeVar("P", bound=AccountsPlane)
_NEVER_STORED: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_CHALLENGE: Final = {"www-authenticate": 'Bearer realm="bootgrant"'}


class Listener(Enum):
    """Where a call comes in, and so how it is known who calls."""

    PUBLIC = "a token is shown"
    ADMIN_SOCKET = "the file's mode says who may"


def build_api(plane: P, listener: Listener, routes: Iterable[ApiRoute[P]]) -> ASGIApp:
    """Raises UndeclaredRoute for a route without a permission, or with another one than its declared."""
    served = tuple(routes)
    described = document(served, plane.public_url)

    async def describe(_request: Request) -> Response:
        return JSONResponse(described, headers={"x-content-type-options": "nosniff"})

    permission_of("GET", PATH, _OFFERED)
    app = Starlette(
        routes=[
            Route(PATH, describe, methods=["GET"]),
            *(Route(path, _Path(endpoints)) for path, endpoints in _by_path(plane, listener, served).items()),
        ],
        exception_handlers={HTTPException: _http_error, StoreUnavailable: _store_down, Exception: _fault},
    )
    app.router.redirect_slashes = False
    return app


def _by_path(plane: P, listener: Listener, routes: Iterable[ApiRoute[P]]) -> Mapping[str, Mapping[str, _Endpoint[P]]]:
    found: dict[str, dict[str, _Endpoint[P]]] = {}
    for route in routes:
        found.setdefault(route.path, {})[route.method] = _Endpoint(plane, listener, route)
    return found


class _Path:
    """The endpoints of one path by their methods; other methods hear which there are (RFC 9110 section 15.5.6)."""

    def __init__(self, endpoints: Mapping[str, _Endpoint[Any]]) -> None:
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None:
            raise HTTPException(405, headers={"allow": ", ".join(sorted(self._endpoints))})
        request = Request(scope, receive, send)
        await (await endpoint.answer(request))(scope, receive, send)


class _Endpoint(Generic[P]):
    """One route: who calls, may they, what do they send, then its handler."""

    def __init__(self, plane: P, listener: Listener, route: ApiRoute[P]) -> None:
        self._plane = plane
        self._listener = listener
        self._route = route
        if permission_of(route.method, route.path, _OFFERED) is not route.permission:
            raise UndeclaredRoute(f"{route.method} {route.path} has one permission here and another in permissions.py")
        self._body = Draft202012Validator(route.body) if route.body is not None else None
        self._may_be_empty = route.body is not None and route.body.get("required") == []
        query = {"type": "object", "properties": dict(route.query), "additionalProperties": False}
        self._query = Draft202012Validator(query)

    async def answer(self, request: Request) -> Response:
        actor = await self._actor(request)
        if isinstance(actor, Told):
            return _written(actor, _CHALLENGE)
        if not is_allowed(actor, self._route.permission):
            return _written(refused(403, "not_allowed", _not_enough(actor, LEAST_ROLE[self._route.permission])))
        query = _typed(request, self._route.query)
        if problem := best_match(self._query.iter_errors(query)):
            return _written(_not_as_described("the query", problem))
        members = await self._members(request)
        if isinstance(members, Told):
            return _written(members)
        return _written(await self._route.handler(CallOf(self._plane, actor, request.path_params, query, members)))

    async def _actor(self, request: Request) -> Actor | Told:
        if self._listener is Listener.ADMIN_SOCKET:
            return socket_actor(one_line(request.headers.get(USER_HEADER, ""))[:_USER_LENGTH])
        scheme, _, shown = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not shown.strip():
            told = "show an API token: Authorization: Bearer bootgrant_…; `bootgrant tokens add` makes one"
            return refused(401, "no_token", told)
        actor = await self._plane.tokens.authenticate(Secret(shown.strip()))
        if actor is None:
            return refused(
                401, "bad_token", "this token is unknown, revoked or expired: `bootgrant tokens add` makes one"
            )
        return actor

    async def _members(self, request: Request) -> Mapping[str, Any] | Told:
        if self._body is None:
            return {}
        try:
            sent = await read_body(request.scope, request.receive, _BODY)
            # Where no member must be there, nothing is as good as an empty object.
            members = json.loads(sent or (_NO_MEMBERS if self._may_be_empty else sent), parse_constant=_no_constant)
            # Half a surrogate pair ("\ud800") is JSON and no text: it could neither be stored nor told again.
            json.dumps(members, ensure_ascii=False).encode()
        except BodyTooLarge:
            return refused(413, "bad_request", f"the body is larger than {_BODY >> 10} KiB")
        except (ClientGone, ValueError, RecursionError):
            return refused(400, "bad_request", "the body is not JSON")
        if problem := best_match(self._body.iter_errors(members)):
            return _not_as_described("the body", problem)
        checked: Mapping[str, Any] = members
        return checked


def _not_enough(actor: Actor, least: Role) -> str:
    if not actor.role.is_at_least(least):
        return f"this needs the role {least.value}; {actor} has the role {actor.role.value}"
    limits = ", ".join(map(str, actor.labels))
    return f"this needs the role {least.value} for every machine; {actor} is limited to {limits}"


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _not_as_described(what: str, problem: ValidationError) -> Told:
    if problem.validator == "additionalProperties":
        schema, sent = problem.schema, problem.instance
        known = set(schema.get("properties", ())) if isinstance(schema, Mapping) else set()
        odd = sorted(set(sent) - known) if isinstance(sent, Mapping) else []
        told = f"{what} has no {', '.join(map(repr, odd))}; it may have {', '.join(sorted(known)) or 'nothing'}"
        return refused(400, "bad_request", one_line(told))
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.absolute_path)
    shape = problem.schema if isinstance(problem.schema, Mapping) else {}
    wrong = f"{problem.instance!r} is not of this form" if problem.validator == "pattern" else problem.message
    wanted = f" ({shape['description']})" if "description" in shape else ""
    told = one_line(f"{what}{where}: {wrong}{wanted}")
    return refused(400, "bad_request", f"{told}; {PATH} says what is taken")


def _typed(request: Request, query: Mapping[str, Schema]) -> dict[str, Any]:
    """The parameters with the types of the table; a text that is no such thing stays a text, and is refused."""
    sent: dict[str, list[str]] = {}
    for name, value in request.query_params.multi_items():
        sent.setdefault(name, []).append(value)
    typed: dict[str, Any] = {}
    for name, values in sent.items():
        schema = query.get(name, {})
        if schema.get("type") == "array":
            typed[name] = values
        else:
            typed[name] = _value(values[0], schema.get("type", "")) if len(values) == 1 else values
    return typed


def _value(text: str, kind: str) -> object:
    try:
        match kind:
            case "integer":
                return int(text)
            case "number":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}.get(text, text)
            case _:
                return text
    except ValueError:
        return text


def _written(told: Told, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(told.body, told.status, {**_NEVER_STORED, **(headers or {})})


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    told = {404: "there is no such path", 405: "this path does not take this method"}.get(status, "bad request")
    name = {404: "not_found", 405: "wrong_method"}.get(status, "bad_request")
    return _written(refused(status, name, f"{told}; {PATH} says what there is"), headers)


async def _store_down(request: Request, error: Exception) -> Response:
    # The route, not the path: a code may stand in that.
    log.error("%s %s: %s", request.method, request.scope["route"].path, error)
    return _written(refused(503, "store_unavailable", str(error)), {"retry-after": "5"})


async def _fault(_request: Request, _error: Exception) -> Response:
    return _written(refused(500, "server_error", "the server failed; its log says how"))
