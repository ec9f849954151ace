"""``GET /metrics``, for the networks that may read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from bootgrant.asgi import Receive, Scope, Send
from bootgrant.asgi.answer import Answer, plain_answer
from bootgrant.asgi.client_address import AllowedNetworks, client_address
from bootgrant.service.metrics.collecting import ServerCollector

_PASSED_ON: Final = (b"x-forwarded-for", b"forwarded", b"via")


@dataclass(frozen=True, slots=True)
class MetricsEndpoint:
    """``networks`` may read. Behind a proxy that nobody trusts all are refused: each would have the proxy's address."""

    collector: ServerCollector
    registry: CollectorRegistry
    networks: AllowedNetworks
    behind_trusted_proxy: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(scope)).send(send)

    async def _answer(self, scope: Scope) -> Answer:
        if scope["method"] != "GET":
            return plain_answer(405, "only GET is answered here", ((b"allow", b"GET"),))
        headers = dict(scope["headers"])
        if not self.behind_trusted_proxy and any(name in headers for name in _PASSED_ON):
            return plain_answer(403, "passed on by a proxy that networks.trusted_proxies does not name")
        if client_address(scope) not in self.networks:
            return plain_answer(403, f"{client_address(scope)} is not in networks.metrics of bootgrant.toml")
        await self.collector.look()
        encode, content_type = choose_encoder(headers.get(b"accept", b"").decode("latin-1"))
        return Answer(200, encode(self.registry), ((b"content-type", content_type.encode()),))
