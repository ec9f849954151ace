"""The endpoints that machines call most, which are answered without ASGI (http_protocol.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from bootgrant.asgi import Scope
from bootgrant.asgi.answer import Answer
from bootgrant.asgi.client_address import TrustedProxies
from bootgrant.asgi.observing import RequestCounts
from bootgrant.asgi.strict_requests import refuse_ambiguous
from bootgrant.machine_plane.endpoint import OAuthEndpoint


@dataclass(slots=True)
class ShortWay:
    """The endpoints that are called without ASGI, by path.

    ``in_tasks``: an answer that has to wait runs in a task, because something behind the endpoints (a connection pool)
    requires one.
    """

    endpoints: Mapping[bytes, OAuthEndpoint]
    proxies: TrustedProxies
    in_tasks: bool
    counts: RequestCounts = field(default_factory=RequestCounts)

    async def respond(self, path: bytes, scope: Scope, body: bytes, gone: asyncio.Future[None]) -> Answer | None:
        refusal = refuse_ambiguous(scope)
        if refusal is not None:
            return refusal
        return await self.endpoints[path].respond(self.proxies.resolve(scope), body, gone)

    def cut_short(self, path: bytes, answer: Answer) -> Answer:
        """Count and return ``answer``, for a request that never became complete."""
        return self.endpoints[path].cut_short(path.decode("ascii"), answer)


NO_SHORT_WAY = ShortWay({}, TrustedProxies.none(), in_tasks=True)
