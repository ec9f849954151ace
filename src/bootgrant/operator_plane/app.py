"""The pages as an ASGI application, with the permission of each. Programs use api/app.py instead."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import Final, NamedTuple, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from bootgrant.asgi import App
from bootgrant.asgi.body_limit import BodyLimit
from bootgrant.asgi.content_coding import Gzip, asks_for_gzip
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.forms import most_bytes
from bootgrant.operator_plane.page_rules import HostRule, PageHeaders
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
    provider_logout,
    queue,
    refused,
    settings,
    undo,
    windows,
)
from bootgrant.operator_plane.permissions import Permission, require_permission
from bootgrant.operator_plane.plane import OperatorPlane
from bootgrant.operator_plane.rendering import assets
from bootgrant.operator_plane.visit import Handler, Visit, guarded
from bootgrant.ports.grants import StoreUnavailable

log = logging.getLogger("bootgrant.operators")


class PageRoute(NamedTuple):
    """One page, or one form of a page."""

    method: str
    path: str
    permission: Permission
    handler: Handler


async def serve_asset(visit: Visit) -> Response:
    """Return a style sheet, a script or the icon."""
    asset = assets().get(visit.request.path_params["name"])
    if asset is None:
        return visit.error(error_pages.NOT_FOUND)
    headers = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
    if not asks_for_gzip(visit.request.scope):
        return Response(asset.content, media_type=asset.media_type, headers=headers)
    # Only what has no secrets in it is compressed: the length of a page would give them away.
    coded = await _GZIP.compress(asset.content)
    return Response(coded, media_type=asset.media_type, headers={**headers, "content-encoding": "gzip"})


_GZIP: Final = Gzip()
_PUBLIC: Final = Permission.PUBLIC
_AFTER_PASSWORD: Final = Permission.AFTER_PASSWORD
_SIGNED_IN: Final = Permission.SIGNED_IN
_CONFIGURATIONS: Final = Permission.CONFIGURATIONS
_APPROVER: Final = Permission.APPROVER
_ACCOUNTS: Final = Permission.ACCOUNTS
_ADMIN: Final = Permission.ADMIN
_ADMIN_OF_ALL: Final = Permission.ADMIN_OF_ALL

PAGES: Final[tuple[PageRoute, ...]] = (
    PageRoute("GET", "/", _SIGNED_IN, queue.show),
    PageRoute("GET", "/events", _SIGNED_IN, events.show),
    PageRoute("GET", "/batch", _APPROVER, batch.show),
    PageRoute("POST", "/batch", _APPROVER, batch.approve),
    PageRoute("GET", "/device", _SIGNED_IN, device.show),
    PageRoute("POST", "/device", _SIGNED_IN, device.enter),
    PageRoute("GET", "/d/{code}", _SIGNED_IN, device.scanned),
    PageRoute("GET", "/requests/{grant_id}", _SIGNED_IN, card.show),
    PageRoute("GET", "/requests/{grant_id}/configuration", _CONFIGURATIONS, configuration.show),
    PageRoute("POST", "/requests/{grant_id}/configuration/reveal", _ADMIN, configuration.reveal),
    PageRoute("POST", "/requests/{grant_id}/approve", _APPROVER, decision.approve),
    PageRoute("POST", "/requests/{grant_id}/deny", _APPROVER, decision.deny),
    PageRoute("POST", "/requests/{grant_id}/undeny", _APPROVER, decision.undeny),
    PageRoute("POST", "/requests/{grant_id}/revoke", _ADMIN, decision.revoke),
    PageRoute("POST", "/requests/{grant_id}/assign", _APPROVER, decision.assign),
    PageRoute("POST", "/requests/{grant_id}/unassign", _APPROVER, decision.unassign),
    PageRoute("POST", "/windows/{window_id}/close", _APPROVER, windows.close),
    PageRoute("GET", "/audit", _SIGNED_IN, audit.show),
    PageRoute("GET", "/audit/refused", _ACCOUNTS, refused.show),
    PageRoute("GET", "/audit/undo", _ADMIN_OF_ALL, undo.show),
    PageRoute("POST", "/audit/undo", _ADMIN_OF_ALL, undo.undo),
    PageRoute("GET", "/settings", _SIGNED_IN, settings.show),
    PageRoute("GET", "/login", _PUBLIC, login.show),
    PageRoute("POST", "/login", _PUBLIC, login.sign_in),
    PageRoute("POST", "/logout", _AFTER_PASSWORD, login.sign_out),
    PageRoute("GET", "/login/passkey", _PUBLIC, passkey.show_only),
    PageRoute("POST", "/login/passkey", _PUBLIC, passkey.sign_in_only),
    PageRoute("GET", "/login/oidc/{provider}", _PUBLIC, oidc.leave),
    PageRoute("GET", "/login/oidc/{provider}/callback", _PUBLIC, oidc.come_back),
    PageRoute("POST", "/login/oidc/{provider}/logout", Permission.PROVIDER, provider_logout.log_out),
    PageRoute("GET", "/login/second", _AFTER_PASSWORD, passkey.show_second),
    PageRoute("POST", "/login/second", _AFTER_PASSWORD, passkey.sign_in_second),
    PageRoute("GET", "/login/again", _SIGNED_IN, login.show_again),
    PageRoute("POST", "/login/again", _SIGNED_IN, login.sign_in_again),
    PageRoute("POST", "/login/again/passkey", _SIGNED_IN, passkey.sign_in_again),
    PageRoute("GET", "/account", _SIGNED_IN, account.show),
    PageRoute("GET", "/account/passkeys/new", _AFTER_PASSWORD, passkey.show_new),
    PageRoute("POST", "/account/passkeys/new", _AFTER_PASSWORD, passkey.register),
    PageRoute("POST", "/account/passkeys/remove", _SIGNED_IN, passkey.remove),
    PageRoute("POST", "/account/sessions/end", _SIGNED_IN, account.end_session),
    PageRoute("GET", "/account/tokens/new", _SIGNED_IN, account.show_new_token),
    PageRoute("POST", "/account/tokens/new", _SIGNED_IN, account.create_token),
    PageRoute("POST", "/account/tokens/end", _SIGNED_IN, account.revoke_token),
    PageRoute("GET", "/account/password", _SIGNED_IN, account.show_password),
    PageRoute("POST", "/account/password", _SIGNED_IN, account.change_password),
    PageRoute("GET", "/static/{name}", _PUBLIC, serve_asset),
)
_OFFERED: Final = frozenset(Permission)
_HTTP_ERRORS: Final = {404: error_pages.NOT_FOUND, 405: error_pages.WRONG_METHOD}


def build_pages(plane: OperatorPlane, pages: Iterable[PageRoute] = PAGES) -> ASGIApp:
    """Return everything that people open in a browser. Raises UndeclaredRoute for a page without a permission."""
    routes = [
        Route(path, guarded(plane, require_permission(method, path, permission, _OFFERED), handler), methods=[method])
        for method, path, permission, handler in pages
    ]
    app = Starlette(
        routes=routes, exception_handlers={HTTPException: _http_error, StoreUnavailable: _store_down, Exception: _fault}
    )
    # Starlette's redirect fails on a query that is not UTF-8.
    app.router.redirect_slashes = False
    misdirected = partial(error_pages.respond, error_pages.misdirected(plane.public_url))
    limited = BodyLimit(cast("App", app), most_bytes, cast("App", error_pages.respond(error_pages.TOO_LARGE)))
    return PageHeaders(HostRule(cast("ASGIApp", limited), plane.public_url, misdirected))


async def _http_error(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return error_pages.respond(_HTTP_ERRORS.get(status, error_pages.NOT_FOUND))


async def _store_down(request: Request, error: Exception) -> Response:
    # The route, not the path, which may contain a code.
    log.error("%s %s: %s", request.method, request.scope["route"].path, error)
    return error_pages.respond(error_pages.STORE_DOWN, headers={"retry-after": "5"})


async def _fault(_request: Request, _error: Exception) -> Response:
    return error_pages.respond(error_pages.FAULT)
