"""What people and programs are answered while the server waits for an admin to accept an older database.

Sessions and API tokens are void: what was revoked may be valid in it. Only the admin socket can accept it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from bootgrant.approval.audit import Head
from bootgrant.approval.epoch import Taken
from bootgrant.approval.operators import Refused, socket_actor
from bootgrant.asgi import App
from bootgrant.asgi.body_limit import BodyLimit
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.error_pages import older_database
from bootgrant.operator_plane.forms import most_bytes
from bootgrant.operator_plane.frame import Frame, Look
from bootgrant.operator_plane.page_rules import HostRule, PageHeaders
from bootgrant.operator_plane.rendering import assets
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.wire.admin_socket import USER_HEADER
from bootgrant.workflows.decide.decide_grant import one_line
from bootgrant.workflows.people.accept_older import AcceptOlder, OlderDatabase

PATH: Final = "/api/v1/restoration"
_WHAT: Final = "this site's database is older than what its server has seen, so nothing is decided or delivered"
_SOCKET: Final = f"{_WHAT}: run `bootgrant restore --accept`, or put the newer database back"
_VOID: Final = (
    f"{_WHAT}, and sessions and API tokens from before are void: an admin on the server must run "
    "`bootgrant restore --accept`"
)
_HEAD: Final = re.compile(r"(\d{1,18}):([0-9a-f]{64})")
_EVERY: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_NEVER_STORED: Final = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
_CHALLENGE: Final = {"www-authenticate": 'Bearer realm="bootgrant", error="invalid_token"'}


async def waiting_api(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a program with an API token: it is void."""
    await _error(401, "restored", _VOID, _CHALLENGE)(scope, receive, send)


def waiting_pages(look: Look, public_url: str) -> ASGIApp:
    """Return what browsers get: a page that says what happened and what to do."""
    bare, elsewhere = Frame(look), Frame(look, elsewhere=public_url)

    async def show(_request: Request) -> Response:
        return error_pages.respond(older_database(), bare, {"retry-after": "30"})

    async def static(request: Request) -> Response:
        asset = assets().get(request.path_params["name"])
        return Response(asset.content, media_type=asset.media_type) if asset else await show(request)

    app = Starlette(
        routes=[
            Route("/static/{name}", static, methods=["GET"]),
            Route("/{rest:path}", show, methods=_EVERY),
        ]
    )
    misdirected = error_pages.misdirected(public_url)
    limited = BodyLimit(cast("App", app), most_bytes, cast("App", error_pages.respond(error_pages.TOO_LARGE, bare)))
    return PageHeaders(
        HostRule(cast("ASGIApp", limited), public_url, lambda: error_pages.respond(misdirected, elsewhere))
    )


@dataclass(frozen=True, slots=True)
class WaitingAdmin:
    """The admin socket. ``accepted`` is called after an answer that accepted the database."""

    older: AcceptOlder
    accepted: Callable[[], None]

    def app(self) -> ASGIApp:
        routes = [
            Route(PATH, self._show, methods=["GET"]),
            Route(PATH, self._accept, methods=["POST"]),
            Route("/{rest:path}", _wait, methods=_EVERY),
        ]
        too_large = cast("App", _error(413, "bad_request", "the body is larger than 16 KiB"))
        limited = BodyLimit(cast("App", Starlette(routes=routes)), lambda _: 16 << 10, too_large)
        return cast("ASGIApp", limited)

    async def _show(self, request: Request) -> Response:
        return await _answered(self._look, request.query_params.get("head", ""))

    async def _accept(self, request: Request) -> Response:
        try:
            sent = json.loads(await request.body() or b"{}")
            head = str(sent.get("head") or "")
        except (ValueError, AttributeError, RecursionError):
            return _error(400, "bad_request", "the body is not a JSON object")
        user = one_line(request.headers.get(USER_HEADER, ""))[:64]
        return await _answered(lambda noted: self._do_accept(user, noted), head)

    async def _look(self, noted: Head | None) -> Response:
        older = await self.older.look(noted)
        if isinstance(older, Refused):
            return _error(409, "other_database", str(older))
        return JSONResponse(_as_json(older), headers=_NEVER_STORED)

    async def _do_accept(self, user: str, noted: Head | None) -> Response:
        accepted = await self.older.accept(socket_actor(user), noted)
        if isinstance(accepted, Refused):
            return _error(409, "other_database", str(accepted))
        self.accepted()
        answer = {**_as_json(accepted.older), "epoch": accepted.epoch, "done": list(accepted.done)}
        return JSONResponse(answer, headers=_NEVER_STORED)


async def _answered(work: Callable[[Head | None], Awaitable[Response]], head: str) -> Response:
    found = _HEAD.fullmatch(head)
    if head and not found:
        problem = "write the head as `bootgrant audit verify` printed it: a number, a colon, 64 digits"
        return _error(400, "bad_request", problem)
    try:
        return await work(Head(int(found[1]), found[2]) if found else None)
    except StoreUnavailable as error:
        return _error(503, "store_unavailable", str(error))


async def _wait(_request: Request) -> Response:
    return _error(503, "restored", _SOCKET)


def _as_json(older: OlderDatabase) -> dict[str, Any]:
    seen = older.lost.seen
    return {
        "head": str(older.head),
        "seen": str(seen.head),
        "seen_at": seen.at or None,
        "marked": seen.marked_at is not None,
        "noted": str(older.later) if older.later else None,
        "missing": older.records,
        "taken": [_taken(each) for each in older.lost.taken],
    }


def _taken(taken: Taken) -> dict[str, Any]:
    return {"number": taken.head.seq, "at": taken.at, "kind": taken.kind.value, "what": str(taken)}


def _error(status: int, error: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": error, "message": message}, status, {**_NEVER_STORED, **(headers or {})})
