"""The pages as an ASGI application. Their twin for programs is api/app.py."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bootgrant.operator_plane import trouble
from bootgrant.operator_plane.headers import PageHeaders
from bootgrant.operator_plane.host import HostRule
from bootgrant.operator_plane.pages import (
    account,
    audit,
    batch,
    card,
    configuration,
    decision,
    device,
    events,
    login,
    oidc,
    passkey,
    password,
    queue,
    settings,
    static,
    tokens,
)
from bootgrant.operator_plane.permissions import LEAST_ROLE, Permission, permission_of
from bootgrant.operator_plane.plane import OperatorPlane
from bootgrant.operator_plane.visit import Handler, guarded
from bootgrant.ports.grants import StoreUnavailable

log = logging.getLogger("bootgrant.operators")

PageRoute = tuple[str, str, Handler]
PAGES: Final[tuple[PageRoute, ...]] = (
    ("GET", "/", queue.show),
    ("GET", "/events", events.show),
    ("GET", "/batch", batch.show),
    ("POST", "/batch", batch.approve),
    ("GET", "/device", device.show),
    ("POST", "/device", device.enter),
    ("GET", "/d/{code}", device.scanned),
    ("GET", "/requests/{grant_id}", card.show),
    ("GET", "/requests/{grant_id}/configuration", configuration.show),
    ("POST", "/requests/{grant_id}/approve", decision.approve),
    ("POST", "/requests/{grant_id}/deny", decision.deny),
    ("POST", "/requests/{grant_id}/revoke", decision.take_back),
    ("POST", "/requests/{grant_id}/assign", decision.assign),
    ("POST", "/requests/{grant_id}/unassign", decision.unassign),
    ("GET", "/audit", audit.show),
    ("GET", "/settings", settings.show),
    ("GET", "/login", login.show),
    ("POST", "/login", login.sign_in),
    ("POST", "/logout", login.sign_out),
    ("GET", "/login/passkey", passkey.show_alone),
    ("POST", "/login/passkey", passkey.sign_in_alone),
    ("GET", "/login/oidc/{provider}", oidc.leave),
    ("GET", "/login/oidc/{provider}/callback", oidc.come_back),
    ("GET", "/login/second", passkey.show_second),
    ("POST", "/login/second", passkey.sign_in_second),
    ("GET", "/login/again", login.show_again),
    ("POST", "/login/again", login.sign_in_again),
    ("POST", "/login/again/passkey", passkey.sign_in_again),
    ("GET", "/account", account.show),
    ("GET", "/account/passkeys/new", passkey.show_new),
    ("POST", "/account/passkeys/new", passkey.register),
    ("POST", "/account/passkeys/remove", passkey.remove),
    ("POST", "/account/sessions/end", account.end_session),
    ("GET", "/account/tokens/new", tokens.show_new),
    ("POST", "/account/tokens/new", tokens.make),
    ("POST", "/account/tokens/end", tokens.end),
    ("GET", "/account/password", password.show),
    ("POST", "/account/password", password.change),
    ("GET", "/static/{name}", static.serve),
)
_OFFERED: Final = frozenset({Permission.PUBLIC, *LEAST_ROLE})
_TROUBLES: Final = {404: trouble.NOT_FOUND, 405: trouble.WRONG_METHOD}


def build_pages(plane: OperatorPlane, pages: Iterable[PageRoute] = PAGES) -> ASGIApp:
    """Everything people open in a browser. Raises UndeclaredRoute for a page without a permission."""
    routes = [
        Route(path, guarded(plane, permission_of(method, path, _OFFERED), handler), methods=[method])
        for method, path, handler in pages
    ]
    app = Starlette(
        routes=routes,
        exception_handlers={HTTPException: _http_trouble, StoreUnavailable: _store_trouble, Exception: _fault},
    )
    # Starlette's redirect would fail on a query that is not UTF-8.
    app.router.redirect_slashes = False
    elsewhere = partial(trouble.page, trouble.misdirected(plane.public_url))
    return PageHeaders(HostRule(app, plane.public_url, elsewhere))


async def _http_trouble(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return trouble.page(_TROUBLES.get(status, trouble.NOT_FOUND))


async def _store_trouble(request: Request, error: Exception) -> Response:
    # The route, not the path: a code may stand in that.
    log.error("%s %s: %s", request.method, request.scope["route"].path, error)
    return trouble.page(trouble.STORE_DOWN, headers={"retry-after": "5"})


async def _fault(_request: Request, _error: Exception) -> Response:
    return trouble.page(trouble.FAULT)
