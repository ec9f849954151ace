"""What machines are answered while the server waits for an admin to accept an older database: they keep their codes.

Nothing is read from the database, which may not know what was denied or revoked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from bootgrant.asgi import App, Receive, Scope, Send
from bootgrant.asgi.answer import Answer, plain_answer
from bootgrant.machine_plane.clients import authenticate, identify
from bootgrant.machine_plane.endpoint import UNAVAILABLE, MachineRules, OAuthEndpoint, OAuthRequest
from bootgrant.machine_plane.metadata import Metadata
from bootgrant.machine_plane.token import PENDING

WAITS: Final = "the database is older than what this server has seen: an admin must run `bootgrant restore --accept`"
_CONFIG: Final = plain_answer(503, "server was restored, retrying", ((b"retry-after", b"5"),))
_NOT_READY: Final = plain_answer(503, f"not ready: {WAITS}")
_HEALTHY: Final = plain_answer(200, "ok")
_ELSEWHERE: Final = plain_answer(503, WAITS, ((b"retry-after", b"5"),))


@dataclass(frozen=True, slots=True)
class _Always:
    """The same answer to every request: of an OAuth endpoint, or as an application."""

    answer: Answer

    async def __call__(self, _request: OAuthRequest) -> Answer:
        return self.answer

    async def app(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await self.answer.send(send)


def waiting_endpoints(public_url: str, rules: MachineRules) -> Mapping[str, App]:
    """Return the endpoints by path; ``/config/`` stands for everything below it."""
    config, elsewhere = _Always(_CONFIG).app, _Always(_ELSEWHERE).app
    return {
        "/device/code": OAuthEndpoint(rules, identify, _Always(UNAVAILABLE), UNAVAILABLE),
        "/token": OAuthEndpoint(rules, authenticate, _Always(PENDING), PENDING),
        "/config": config,
        "/config/": config,
        "/introspect": elsewhere,
        "/revoke": elsewhere,
        "/.well-known/oauth-authorization-server": Metadata(public_url),
        "/healthz": _Always(_HEALTHY).app,
        "/readyz": _Always(_NOT_READY).app,
        "/metrics": elsewhere,
        "/hooks/git": elsewhere,
    }
