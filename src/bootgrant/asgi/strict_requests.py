"""Reject requests that a proxy and this server could parse differently (request smuggling), before anything else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from bootgrant.asgi import App, Receive, Scope, Send
from bootgrant.asgi.answer import CLOSE, Answer, json_answer

_ONCE: Final = (b"host", b"content-length", b"transfer-encoding", b"authorization", b"content-type")
_VERSIONS: Final = ("1.1", "1.0")
_UPGRADE: Final = "a request with a body must not have the header upgrade: send it without"
_HOST: Final = re.compile(rb"[A-Za-z0-9._~%:\[\]\x80-\xff-]+")


@dataclass(frozen=True, slots=True)
class StrictRequests:
    """Enforce RFC 9112 sections 3.2, 6.1 and 6.3: one Host header, and one length or chunked coding, never both."""

    app: App

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = refuse_ambiguous(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            await refusal.send(send)


def refuse_ambiguous(scope: Scope) -> Answer | None:
    """Return an error for an ambiguous request, or None if the request is unambiguous."""
    problem = _ambiguous(scope)
    if problem is None:
        return None
    return json_answer(400, {"error": "invalid_request", "error_description": problem}, (CLOSE,))


def _ambiguous(scope: Scope) -> str | None:
    names = [name for name, _ in scope["headers"]]
    if len(set(names)) != len(names):
        for name in _ONCE:
            if names.count(name) > 1:
                return f"the header {name.decode()} is repeated"
    if b"host" not in names:
        if scope.get("http_version") == "1.1":
            return "the header host is missing"
    elif not _is_host(scope["headers"][names.index(b"host")][1]):
        return "the header host must be a name with an optional port"
    if scope.get("http_version", "1.1") not in _VERSIONS:
        return "this is not HTTP/1.1"
    if b"transfer-encoding" in names:
        return _ambiguous_body(scope, names)
    return _UPGRADE if b"upgrade" in names and b"content-length" in names else None


def _ambiguous_body(scope: Scope, names: list[bytes]) -> str | None:
    if b"content-length" in names:
        return "content-length and transfer-encoding must not be sent together"
    if scope.get("http_version") == "1.0":
        return "HTTP/1.0 does not allow transfer-encoding"
    if scope["headers"][names.index(b"transfer-encoding")][1].strip().lower() != b"chunked":
        return "the only supported transfer-encoding is chunked"
    return _UPGRADE if b"upgrade" in names else None


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    """Return whether it is a single host (RFC 9112 section 3.2). Nearly every request sends the same one."""
    return _HOST.fullmatch(value) is not None
