"""The admin API: what waits, one request, approve, deny. Whoever can open the socket may decide.

Answers are JSON. A decision that took effect is answered with the request (status 200); one that did not with
``{"error": …, "message": …}``, where ``message`` is one line for a person.
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

from bootgrant.approval.grant import DeviceGrant, GrantState, Refusal
from bootgrant.approval.operators import Actor, socket_actor
from bootgrant.asgi.body_limit import BodyTooLarge, ClientGone, read_body
from bootgrant.operator_plane.api.grants import grant_json
from bootgrant.operator_plane.permissions import Permission, permission_of
from bootgrant.ports.clock import Clock
from bootgrant.ports.grant_store import StoreUnavailable
from bootgrant.wire.limits import REQUEST_BODY
from bootgrant.workflows.decide_grant import DecideGrant, NotDecided, one_line

log = logging.getLogger("bootgrant.operators")

_OFFERED: Final = frozenset({Permission.ADMIN_SOCKET})
_USER_LENGTH: Final = 64
_STATUS: Final = {
    Refusal.UNKNOWN: 404,
    Refusal.EXPIRED: 410,
    Refusal.DENIED: 409,
    Refusal.PENDING: 409,
    Refusal.ALREADY_DECIDED: 409,
    Refusal.WRONG_CLIENT: 409,
    Refusal.NO_ENTRY: 409,
    Refusal.NO_CONFIG: 409,
    Refusal.ENTRY_CHANGED: 409,
    Refusal.SAME_PERSON: 409,
    Refusal.NEEDS_PEOPLE: 409,
    Refusal.NOT_ALLOWED: 403,
}
_UNKNOWN: Final = NotDecided(Refusal.UNKNOWN, "no machine asks with this code: it may have asked again with a new one")


def build_admin_api(decide: DecideGrant, clock: Clock) -> ASGIApp:
    """The API for ``data/admin.sock`` alone. Raises UndeclaredRoute for a route without a permission."""
    api = AdminApi(decide, clock)
    served: tuple[tuple[str, str, Callable[[Request], Awaitable[Response]]], ...] = (
        ("GET", "/api/v1/pending", api.pending),
        ("GET", "/api/v1/grants/{code}", api.show),
        ("POST", "/api/v1/approve", api.approve),
        ("POST", "/api/v1/deny", api.deny),
    )
    for method, path, _ in served:
        permission_of(method, path, _OFFERED)
    routes = [Route(path, endpoint, methods=[method]) for method, path, endpoint in served]
    handlers = {HTTPException: _http_error, StoreUnavailable: _store_down, Exception: _fault}
    return Starlette(routes=routes, exception_handlers=handlers)


@dataclass(frozen=True, slots=True)
class AdminApi:
    decide: DecideGrant
    clock: Clock

    async def pending(self, _request: Request) -> Response:
        """``{"pending": […]}``, newest first."""
        cards = await self.decide.waiting()
        now = self.clock.now()
        return JSONResponse({"pending": [grant_json(card, now) for card in cards]})

    async def show(self, request: Request) -> Response:
        """One request by its code, whatever its state."""
        card = await self.decide.look_up(request.path_params["code"])
        return self._refused(_UNKNOWN) if card is None else JSONResponse(grant_json(card, self.clock.now()))

    async def approve(self, request: Request) -> Response:
        """``{"code": …, "user": …}``; ``user`` is the Unix user who runs the command."""
        members = await _members(request)
        card = await self.decide.look_up(members.get("code", ""))
        if card is None:
            return self._refused(_UNKNOWN)
        return await self._told(await self.decide.approve(card.grant.grant_id, _actor(members)))

    async def deny(self, request: Request) -> Response:
        """``{"code": …, "reason": …, "user": …}``."""
        members = await _members(request)
        card = await self.decide.look_up(members.get("code", ""))
        if card is None:
            return self._refused(_UNKNOWN)
        outcome = await self.decide.deny(card.grant.grant_id, _actor(members), members.get("reason", ""))
        return await self._told(outcome)

    async def _told(self, outcome: DeviceGrant | NotDecided) -> Response:
        if isinstance(outcome, NotDecided):
            return self._refused(outcome)
        said = outcome.decision or (outcome.votes[-1] if outcome.votes else None)
        done = "voted for" if outcome.state is GrantState.PENDING else outcome.state.value
        log.info("%r %s the request %s", said.by if said else "", done, outcome.grant_id)
        card = await self.decide.show(outcome.grant_id)
        return self._refused(_UNKNOWN) if card is None else JSONResponse(grant_json(card, self.clock.now()))

    def _refused(self, refused: NotDecided) -> Response:
        name = refused.refusal.value.replace(" ", "_")
        return JSONResponse({"error": name, "message": refused.message}, _STATUS[refused.refusal])


def _actor(members: dict[str, str]) -> Actor:
    return socket_actor(one_line(members.get("user", ""))[:_USER_LENGTH])


async def _members(request: Request) -> dict[str, str]:
    """The texts of the JSON object in the body; other members are ignored."""
    try:
        body = await read_body(request.scope, request.receive, REQUEST_BODY)
        members = json.loads(body)
    except BodyTooLarge:
        raise HTTPException(413, "the body is too large") from None
    except (ClientGone, ValueError, RecursionError):
        raise HTTPException(400, "the body is not JSON") from None
    if not isinstance(members, dict):
        raise HTTPException(400, "the body is not a JSON object")
    return {name: value for name, value in members.items() if isinstance(value, str)}


async def _http_error(_request: Request, error: Exception) -> Response:
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
    return JSONResponse({"error": "bad_request", "message": detail}, status)


async def _store_down(request: Request, error: Exception) -> Response:
    log.error("%s %s: %s", request.method, request.url.path, error)
    return JSONResponse({"error": "store_unavailable", "message": str(error)}, 503)


async def _fault(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"error": "server_error", "message": "the server failed; its log says how"}, 500)
