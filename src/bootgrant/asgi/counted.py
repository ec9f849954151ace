"""Answers counted by endpoint and status, for what is not counted by itself."""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.asgi.types import App, Message, Receive, Scope, Send
from bootgrant.counting import RequestCounts


@dataclass(frozen=True, slots=True)
class Counted:
    """``app``, with its answers counted as those of ``endpoint``; empty: by the route that the app found."""

    app: App
    counts: RequestCounts
    endpoint: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counting(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A path is a stranger's text and would make endless names; a route is one of ours.
                name = self.endpoint or getattr(scope.get("route"), "path", "other")
                self.counts.answered[name, message["status"]] += 1
            await send(message)

        await self.app(scope, receive, counting)
