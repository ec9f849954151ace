"""The pages answer under the host of ``public_url`` and no other: a link or a cookie for another name helps no one."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

USUAL_PORTS = {"http": 80, "https": 443}
Origin = tuple[str, str, int | None]


def origin_of(url: str) -> Origin | None:
    """Scheme, host and port of a URL (RFC 6454 section 4); None for what is none (``null``)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.scheme or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or USUAL_PORTS.get(parts.scheme)


def has_passkeys(public_url: str) -> bool:
    """Whether browsers allow passkeys here: https with a name, or http://localhost (WebAuthn section 5.1)."""
    parts = urlsplit(public_url)
    host = parts.hostname or ""
    is_name = any(letter.isalpha() for letter in host) and ":" not in host
    return is_name and (parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"))


class HostRule:
    """ASGI middleware: a request for another host is answered by ``misdirected`` (status 421, RFC 9110)."""

    def __init__(self, app: ASGIApp, public_url: str, misdirected: Callable[[], Response]) -> None:
        self._app = app
        self._origin = origin_of(public_url)
        self._scheme = urlsplit(public_url).scheme
        self._misdirected = misdirected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._is_ours(scope):
            await self._misdirected()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        sent = Headers(scope=scope).getlist("host")
        return len(sent) == 1 and origin_of(f"{self._scheme}://{sent[0]}") == self._origin
