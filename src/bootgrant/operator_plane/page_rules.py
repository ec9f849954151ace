"""Rules for every response of the pages: security headers, and only the host name of ``public_url``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bootgrant.wire.origin import origin_of

_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "worker-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    # Not no-referrer: with that, browsers send "Origin: null" with our own forms (Fetch section 3.2).
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


class PageHeaders:
    """ASGI middleware that adds security headers to every response, and ``no-store`` unless caching is set."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await self._app(scope, receive, send_with_headers)


class HostRule:
    """ASGI middleware that answers a request for another host with ``misdirected`` (status 421, RFC 9110).

    Links and cookies for another name would not work, and must not reach anybody. Style sheets and icons are the same
    for everybody, and the answer needs them.
    """

    def __init__(self, app: ASGIApp, public_url: str, misdirected: Callable[[], Response]) -> None:
        self._app = app
        self._origin = origin_of(public_url)
        self._scheme = urlsplit(public_url).scheme
        self._misdirected = misdirected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith("/static/") and not self._is_ours(scope):
            await self._misdirected()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        sent = Headers(scope=scope).getlist("host")
        if len(sent) != 1:
            return False
        try:
            # Browsers send ASCII; other programs may send a name as it is written.
            host = sent[0].encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            return False
        return origin_of(f"{self._scheme}://{host}") == self._origin
