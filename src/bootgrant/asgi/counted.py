"""Count answers by endpoint and status."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from bootgrant.asgi.types import App, Message, Receive, Scope, Send


@dataclass(slots=True)
class RequestCounts:
    """Answers by (endpoint, status) and refusals by (endpoint, reason). Both names come from closed sets of ours."""

    answered: Counter[tuple[str, int]] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Counted:
    """``app`` with its answers counted under ``endpoint``, or under the route that the app found when it is empty."""

    app: App
    counts: RequestCounts
    endpoint: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def count_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A path comes from strangers and would make endless names; a route is one of ours.
                name = self.endpoint or getattr(scope.get("route"), "path", "other")
                self.counts.answered[name, message["status"]] += 1
            await send(message)

        await self.app(scope, receive, count_and_send)
