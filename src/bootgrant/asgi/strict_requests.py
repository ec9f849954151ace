"""Requests whose shape two servers in a row could read differently are refused before anything looks at them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from bootgrant.asgi.answer import CLOSE, Answer, json_answer
from bootgrant.asgi.types import App, Receive, Scope, Send

_ONCE: Final = (b"host", b"content-length", b"transfer-encoding", b"authorization", b"content-type")
_VERSIONS: Final = ("1.1", "1.0")
_LOST: Final = "a body behind an offered upgrade is not read: send it without the header upgrade"
_HOST: Final = re.compile(rb"[A-Za-z0-9._~%:\[\]-]+")


@dataclass(frozen=True, slots=True)
class StrictRequests:
    """RFC 9112 sections 3.2, 6.1 and 6.3: one Host, one length, or chunks and nothing else."""

    app: App

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = refuse_ambiguous(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self.app(scope, receive, send)
        else:
            await refusal.send(send)


def refuse_ambiguous(scope: Scope) -> Answer | None:
    """The refusal of a request that has more than one reading; None for the others."""
    told = _ambiguous(scope)
    if told is None:
        return None
    return json_answer(400, {"error": "invalid_request", "error_description": told}, (CLOSE,))


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
        return "the header host is not a name with an optional port"
    if scope.get("http_version", "1.1") not in _VERSIONS:
        return "this is not HTTP/1.1"
    if b"transfer-encoding" in names:
        return _ambiguous_body(scope, names)
    return _LOST if b"upgrade" in names and b"content-length" in names else None


def _ambiguous_body(scope: Scope, names: list[bytes]) -> str | None:
    if b"content-length" in names:
        return "the body has a length and chunks"
    if scope.get("http_version") == "1.0":
        return "the body has chunks, which HTTP/1.0 does not know"
    if scope["headers"][names.index(b"transfer-encoding")][1].strip().lower() != b"chunked":
        return "the body has another transfer coding than chunked"
    return _LOST if b"upgrade" in names else None


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    """Whether it is one host (RFC 9112 section 3.2); kept, because nearly every request has the same."""
    return _HOST.fullmatch(value) is not None
