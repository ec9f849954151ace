"""``GET /healthz``: 200 when the store can be written."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bootgrant.asgi.answer import Answer, plain_answer
from bootgrant.asgi.types import Receive, Scope, Send
from bootgrant.ports.grant_store import GrantStore, StoreUnavailable

_LIMIT = 5.0


@dataclass(frozen=True, slots=True)
class Health:
    store: GrantStore

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._look(scope)).send(send)

    async def _look(self, scope: Scope) -> Answer:
        if scope["method"] not in ("GET", "HEAD"):
            return plain_answer(405, "only GET is answered here", ((b"allow", b"GET, HEAD"),))
        try:
            async with asyncio.timeout(_LIMIT):
                await self.store.check_writable()
        except StoreUnavailable as error:
            return plain_answer(503, f"not ok: {error}")
        except TimeoutError:
            return plain_answer(503, f"not ok: the store did not answer a write in {_LIMIT:.0f} s")
        return plain_answer(200, "ok")
