"""Operators and API tokens as JSON, for ``bootgrant operators`` and ``bootgrant tokens`` alone.

On ``data/admin.sock`` while the server runs, and in the command's own process while it does not. Requests are objects
of texts; labels are ``"site=fra rack=4"``. A refusal is ``{"error": …, "message": …}`` with one line for a person.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bootgrant.approval.operators import BadLabel, Kind, Label, Role, parse_labels, socket_actor
from bootgrant.asgi.body_limit import BodyTooLarge, ClientGone, read_body
from bootgrant.operator_plane.permissions import Permission, permission_of
from bootgrant.ports.api_token_store import ApiToken
from bootgrant.ports.audit_log import AuditLog
from bootgrant.ports.grant_store import StoreUnavailable
from bootgrant.ports.operator_store import Operator
from bootgrant.wire.limits import REQUEST_BODY
from bootgrant.wire.secret import Secret
from bootgrant.workflows.api_tokens import ApiTokens, TokenRefused
from bootgrant.workflows.audit_events import operator_changed, token_changed
from bootgrant.workflows.manage_operators import ManageOperators, NewPassword, OperatorRefused

log = logging.getLogger("bootgrant.operators")

PEOPLE: Final = "/people/"
"""Every path of this API begins so."""

_DONE: Final = {
    "add": "added",
    "set": "given other rights",
    "disable": "disabled",
    "enable": "enabled",
    "reset": "reset",
}
_OFFERED: Final = frozenset({Permission.ADMIN_SOCKET})
Json = dict[str, object]
Members = dict[str, str]


def build_people_api(manage: ManageOperators, tokens: ApiTokens, audit: AuditLog) -> ASGIApp:
    """The API for ``data/admin.sock`` alone. Raises UndeclaredRoute for a route without a permission."""
    api = PeopleApi(manage, tokens, audit)
    served: tuple[tuple[str, str, Callable[[Request], Awaitable[Response]]], ...] = (
        ("GET", "/people/operators", api.operators),
        ("POST", "/people/operators/{verb}", api.change_operator),
        ("GET", "/people/tokens", api.list_tokens),
        ("POST", "/people/tokens/{verb}", api.change_token),
    )
    for method, path, _ in served:
        permission_of(method, path, _OFFERED)
    routes = [Route(path, endpoint, methods=[method]) for method, path, endpoint in served]
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_error, StoreUnavailable: _store_down})


@dataclass(frozen=True, slots=True)
class PeopleApi:
    manage: ManageOperators
    tokens: ApiTokens
    audit: AuditLog

    async def operators(self, _request: Request) -> Response:
        """``{"operators": […]}``, by name."""
        return JSONResponse({"operators": [_operator_json(operator) for operator in await self.manage.list()]})

    async def change_operator(self, request: Request) -> Response:
        """``add``, ``set``, ``disable``, ``enable`` or ``reset`` the operator ``name``."""
        members, verb = await _members(request), request.path_params["verb"]
        name = members.get("name", "")
        try:
            outcome = await self._change_operator(verb, name, members)
        except (BadLabel, ValueError) as error:
            return _refused(str(error))
        if isinstance(outcome, OperatorRefused):
            return _refused(outcome.message)
        actor = socket_actor(members.get("user", ""))
        log.info("%s: %s the operator %r", actor, verb, name)
        await self.audit.append([operator_changed(self.tokens.clock.now(), actor, name, _DONE[verb])])
        shown = outcome.generated if isinstance(outcome, NewPassword) else None
        return JSONResponse({"name": name, "password": shown.reveal() if shown else None})

    async def _change_operator(self, verb: str, name: str, members: Members) -> NewPassword | OperatorRefused | None:
        password = Secret(members["password"]) if "password" in members else None
        match verb:
            case "add":
                kind = Kind(members.get("kind", "local"))
                return await self.manage.add(name, _role(members), _labels(members), kind, password)
            case "set":
                return await self.manage.set_rights(
                    name, _role(members), _labels(members) if "labels" in members else None
                )
            case "disable":
                return await self.manage.disable(name)
            case "enable":
                return await self.manage.enable(name)
            case "reset":
                return await self.manage.reset(name, password)
            case _:
                raise HTTPException(404, "there is nothing of this name to do to an operator")

    async def list_tokens(self, _request: Request) -> Response:
        """``{"tokens": […]}``, by name; the tokens themselves are known to nobody."""
        now = self.tokens.clock.now()
        return JSONResponse({"tokens": [_token_json(token, now) for token in await self.tokens.list()]})

    async def change_token(self, request: Request) -> Response:
        """``add`` a token ``name`` that lives ``seconds``, or ``revoke`` it."""
        members, verb = await _members(request), request.path_params["verb"]
        name, actor = members.get("name", ""), socket_actor(members.get("user", ""))
        if verb == "revoke":
            if not await self.tokens.revoke(name):
                return _refused(f"there is no token {name!r}: `bootgrant tokens list` shows which there are")
            log.info("%s: revoked the token %r", actor, name)
            await self.audit.append([token_changed(self.tokens.clock.now(), actor, name, "revoked")])
            return JSONResponse({"name": name})
        if verb != "add":
            raise HTTPException(404, "there is nothing of this name to do to a token")
        try:
            lifetime, role, labels = float(members.get("seconds", "")), _role(members), _labels(members)
        except (BadLabel, ValueError) as error:
            return _refused(str(error))
        made = await self.tokens.create(name, role, labels, lifetime, actor)
        if isinstance(made, TokenRefused):
            return _refused(made.message)
        log.info("%s: made the token %r with the role %s", actor, name, role.value)
        done = f"made with the role {role.value}"
        await self.audit.append([token_changed(self.tokens.clock.now(), actor, name, done)])
        return JSONResponse({"name": name, "token": made.secret.reveal(), "expires_at": made.token.expires_at})


def _role(members: Members) -> Role:
    return Role(members.get("role", Role.VIEWER.value))


def _labels(members: Members) -> tuple[Label, ...]:
    return parse_labels(members.get("labels", "").split())


def _operator_json(operator: Operator) -> Json:
    return {
        "name": operator.name,
        "role": operator.role.value,
        "labels": [str(label) for label in operator.labels],
        "kind": operator.kind.value,
        "disabled_at": operator.disabled_at,
        "created_at": operator.created_at,
        "seen_at": operator.seen_at,
        "issuer": operator.issuer or None,
    }


def _token_json(token: ApiToken, now: float) -> Json:
    return {
        "name": token.name,
        "role": token.role.value,
        "labels": [str(label) for label in token.labels],
        "created_by": token.created_by,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "expired": now >= token.expires_at,
        "used_at": token.used_at,
    }


async def _members(request: Request) -> Members:
    try:
        members = json.loads(await read_body(request.scope, request.receive, REQUEST_BODY))
    except BodyTooLarge:
        raise HTTPException(413, "the body is too large") from None
    except (ClientGone, ValueError, RecursionError):
        raise HTTPException(400, "the body is not JSON") from None
    if not isinstance(members, dict):
        raise HTTPException(400, "the body is not a JSON object")
    return {name: value for name, value in members.items() if isinstance(value, str)}


def _refused(message: str) -> Response:
    return JSONResponse({"error": "refused", "message": message}, 409)


async def _http_error(_request: Request, error: Exception) -> Response:
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    return JSONResponse({"error": "bad_request", "message": detail}, status)


async def _store_down(request: Request, error: Exception) -> Response:
    # The route, not the path: somebody's name may stand in that.
    log.error("%s %s: %s", request.method, request.scope["route"].path, error)
    return JSONResponse({"error": "store_unavailable", "message": str(error)}, 503)
