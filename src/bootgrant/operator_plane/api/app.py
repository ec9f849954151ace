"""The API as an ASGI application, on the people's listener for API tokens and on ``data/admin.sock``.

Each call is checked in one order: the route exists, the caller is known, they have the permission, and the request
matches the schema. Errors are ``{"error": …, "message": …}``. Only the OpenAPI document is public.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Final, Generic, TypeVar, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bootgrant.approval.operators import Actor, BadLabel, socket_actor
from bootgrant.asgi import App
from bootgrant.asgi.body_limit import BodyLimit, BodyTooLarge, ClientGone, read_body
from bootgrant.operator_plane.api.call import AccountsPlane, ApiRoute, CallOf, Reply, refused
from bootgrant.operator_plane.api.openapi import PATH, document
from bootgrant.operator_plane.api.shapes import Schema
from bootgrant.operator_plane.permissions import Permission, is_allowed, require_permission, why_not
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.wire.admin_socket import USER_HEADER
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.decide_grant import one_line

log = logging.getLogger("bootgrant.operators")

_OFFERED: Final = frozenset(Permission) - {
    Permission.AFTER_PASSWORD,
    Permission.PUBLIC,
    Permission.PROVIDER,
    Permission.COMMAND_LINE,
}
_BODY: Final = 1 << 20
_NO_MEMBERS: Final = b"{}"
_USER_LENGTH: Final = 64
_NUMBERS: Final[Mapping[str, Callable[[str], float]]] = {"integer": int, "number": float}

_TOO_LARGE: Final = refused(413, "bad_request", f"the body is larger than {_BODY >> 10} KiB")

P = TypeVar("P", bound=AccountsPlane)
_NEVER_STORED: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_CHALLENGE: Final = {"www-authenticate": 'Bearer realm="bootgrant"'}


class Listener(Enum):
    """Where a call arrives, which decides how the caller is identified."""

    PUBLIC = "by an API token"
    ADMIN_SOCKET = "by the file mode of the socket"


def build_api(plane: P, listener: Listener, routes: Iterable[ApiRoute[P]]) -> ASGIApp:
    """Return the API. Raises UndeclaredRoute for a route without a permission, or with one that has no caller."""
    served = tuple(routes)
    by_path: dict[str, dict[str, _Endpoint[P]]] = {}
    for route in served:
        by_path.setdefault(route.path, {})[route.method] = _Endpoint(plane, listener, route)
    described = document(served, plane.public_url)

    async def describe(_request: Request) -> Response:
        return JSONResponse(described, headers={"x-content-type-options": "nosniff"})

    app = Starlette(
        routes=[
            Route(PATH, describe, methods=["GET"]),
            *(Route(path, _Path(endpoints)) for path, endpoints in by_path.items()),
        ],
        exception_handlers={
            HTTPException: _http_error,
            BadLabel: _bad_label,
            StoreUnavailable: _store_down,
            Exception: _fault,
        },
    )
    app.router.redirect_slashes = False
    return cast("ASGIApp", BodyLimit(cast("App", app), lambda _: _BODY, cast("App", _response(_TOO_LARGE))))


class _Path:
    """The endpoints of one path by method. Other methods are refused with the list (RFC 9110 section 15.5.6)."""

    def __init__(self, endpoints: Mapping[str, _Endpoint[Any]]) -> None:
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["method"])
        if endpoint is None:
            raise HTTPException(405, headers={"allow": ", ".join(sorted(self._endpoints))})
        request = Request(scope, receive, send)
        await (await endpoint.answer(request))(scope, receive, send)


class _Endpoint(Generic[P]):
    """One route: it identifies the caller, checks permission and request, and calls the handler."""

    def __init__(self, plane: P, listener: Listener, route: ApiRoute[P]) -> None:
        self._plane = plane
        self._listener = listener
        self._route = route
        self._permission = require_permission(route.method, route.path, route.permission, _OFFERED)
        self._body = Draft202012Validator(route.body) if route.body is not None else None
        self._may_be_empty = route.body is not None and route.body.get("required") == []
        query = {"type": "object", "properties": dict(route.query), "additionalProperties": False}
        self._query = Draft202012Validator(query)

    async def answer(self, request: Request) -> Response:
        actor = await self._actor(request)
        if isinstance(actor, Reply):
            return _response(actor, _CHALLENGE)
        if not is_allowed(actor, self._permission):
            return _response(refused(403, "not_allowed", why_not(actor, self._permission)))
        query = _typed(request, self._route.query)
        if problem := best_match(self._query.iter_errors(query)):
            return _response(_invalid("the query", problem))
        members = await self._members(request)
        if isinstance(members, Reply):
            return _response(members)
        return _response(await self._route.handler(CallOf(self._plane, actor, request.path_params, query, members)))

    async def _actor(self, request: Request) -> Actor | Reply:
        if self._listener is Listener.ADMIN_SOCKET:
            return socket_actor(one_line(request.headers.get(USER_HEADER, ""))[:_USER_LENGTH])
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            problem = "send an API token as Authorization: Bearer bootgrant_…; create one with `bootgrant tokens add`"
            return refused(401, "no_token", problem)
        actor = await self._plane.tokens.authenticate(Secret(token.strip()))
        if actor is None:
            problem = "this token is unknown, revoked or expired: create one with `bootgrant tokens add`"
            return refused(401, "bad_token", problem)
        return actor

    async def _members(self, request: Request) -> Mapping[str, Any] | Reply:
        if self._body is None:
            return {}
        try:
            sent = await read_body(request.scope, request.receive, _BODY)
            # Without required members, an empty body is as good as an empty object.
            members = json.loads(sent or (_NO_MEMBERS if self._may_be_empty else sent), parse_constant=_no_constant)
            # A lone surrogate ("\ud800") is valid JSON but not text: it could be neither stored nor sent.
            json.dumps(members, ensure_ascii=False).encode()
        except BodyTooLarge:
            return _TOO_LARGE
        except (ClientGone, ValueError, RecursionError):
            return refused(400, "bad_request", "the body is not JSON")
        if problem := best_match(self._body.iter_errors(members)):
            return _invalid("the body", problem)
        checked: Mapping[str, Any] = members
        return checked


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _invalid(what: str, problem: ValidationError) -> Reply:
    """Return the error for a query or body that does not match the schema."""
    if problem.validator == "additionalProperties":
        schema, sent = problem.schema, problem.instance
        known = set(schema.get("properties", ())) if isinstance(schema, Mapping) else set()
        odd = sorted(set(sent) - known) if isinstance(sent, Mapping) else []
        allowed = ", ".join(sorted(known)) or "nothing"
        message = one_line(f"{what} must not have {', '.join(map(repr, odd))}; allowed: {allowed}")
        return refused(400, "bad_request", message)
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem.absolute_path)
    shape = problem.schema if isinstance(problem.schema, Mapping) else {}
    wrong = f"{problem.instance!r} has the wrong format" if problem.validator == "pattern" else problem.message
    expected = f" ({shape['description']})" if "description" in shape else ""
    return refused(400, "bad_request", f"{one_line(f'{what}{where}: {wrong}{expected}')}; see {PATH}")


def _typed(request: Request, query: Mapping[str, Schema]) -> dict[str, Any]:
    """Convert the parameters to the types of the schema. A text that cannot be converted stays one, and is refused."""
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
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    try:
        return _NUMBERS[kind](text) if kind in _NUMBERS else text
    except ValueError:
        return text


def _response(reply: Reply, headers: Mapping[str, str] | None = None) -> Response:
    closing = {"connection": "close"} if reply is _TOO_LARGE else {}
    return JSONResponse(reply.body, reply.status, {**_NEVER_STORED, **closing, **(headers or {})})


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    problem = {404: "there is no such path", 405: "this path does not support this method"}.get(status, "bad request")
    name = {404: "not_found", 405: "wrong_method"}.get(status, "bad_request")
    return _response(refused(status, name, f"{problem}; see {PATH}"), headers)


async def _bad_label(_request: Request, error: Exception) -> Response:
    return _response(refused(400, "bad_request", str(error)))


async def _store_down(request: Request, error: Exception) -> Response:
    # The route, not the path, which may contain a code.
    log.error("%s %s: %s", request.method, request.scope["route"].path, error)
    return _response(refused(503, "store_unavailable", str(error)), {"retry-after": "5"})


async def _fault(_request: Request, _error: Exception) -> Response:
    return _response(refused(500, "server_error", "the server failed: see its log"))
