"""Each request of a person or a program has an id: in every line of the log that it causes, and in its answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from bootgrant.asgi.types import App, Message, Receive, Scope, Send

HEADER: Final = b"x-request-id"
_CURRENT: ContextVar[str] = ContextVar("request_id", default="")
_USABLE: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}")


def current_request_id() -> str:
    """The id of the request that is being answered; empty outside of one."""
    return _CURRENT.get()


@dataclass(frozen=True, slots=True)
class RequestIds:
    """``app``, whose requests have ids: what a proxy or a program sent, when it looks like one, or a new one."""

    app: App
    make: Callable[[], str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _sent(scope) or self.make()

        async def naming(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (HEADER, request_id.encode("ascii"))]
            await send(message)

        token = _CURRENT.set(request_id)
        try:
            await self.app(scope, receive, naming)
        finally:
            _CURRENT.reset(token)


def _sent(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == HEADER:
            return value.decode("ascii") if _USABLE.fullmatch(value) else ""
    return ""
