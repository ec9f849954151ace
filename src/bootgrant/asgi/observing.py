"""What logs and metrics need from a request: an id, and a count of each answer by endpoint and status."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final

from bootgrant.asgi import App, Message, Receive, Scope, Send

HEADER: Final = b"x-request-id"
_CURRENT: ContextVar[str] = ContextVar("request_id", default="")
_USABLE: Final = re.compile(rb"[A-Za-z0-9._-]{8,64}")


def current_request_id() -> str:
    """Return the id of the request being answered, or "" outside a request."""
    return _CURRENT.get()


@dataclass(frozen=True, slots=True)
class RequestIds:
    """Give each request of ``app`` an id, which appears in its log lines and in the response header ``X-Request-Id``.

    A well-formed id that a proxy or a program sent is kept. Otherwise ``make`` creates one.
    """

    app: App
    make: Callable[[], str]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _sent(scope) or self.make()

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (HEADER, request_id.encode("ascii"))]
            await send(message)

        token = _CURRENT.set(request_id)
        try:
            await self.app(scope, receive, send_with_id)
        finally:
            _CURRENT.reset(token)


def _sent(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == HEADER:
            return value.decode("ascii") if _USABLE.fullmatch(value) else ""
    return ""


@dataclass(slots=True)
class RequestCounts:
    """Answers by (endpoint, status), refusals by (endpoint, reason), and tokens used at other addresses than their
    requests, by outcome. All names come from closed sets."""

    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    elsewhere: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True, eq=False)
class Counted:
    """Count the answers of ``app`` under ``endpoint``, or, if that is empty, under the route that the app matched."""

    app: App
    counts: RequestCounts
    endpoint: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def count_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Never the path: clients could create any number of metric labels with it.
                name = self.endpoint or getattr(scope.get("route"), "path", "other")
                self.counts.answered[name, message["status"]] += 1
            await send(message)

        await self.app(scope, receive, count_and_send)
