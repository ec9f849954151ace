"""``GET /healthz``: 200 when the store can be written. ``GET /readyz``: 200 when machines should be sent here.

A server that is well may still not be ready: it is about to end, or its configurations cannot be read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bootgrant.asgi.answer import Answer, plain_answer
from bootgrant.asgi.types import Receive, Scope, Send
from bootgrant.ports.configurations import ConfigSource, ConfigUnavailable
from bootgrant.ports.grants import GrantStore, StoreUnavailable
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.limits.admission import HeldPolls

_LIMIT = 5.0


@dataclass(frozen=True, slots=True)
class Probe:
    """``GET`` of a question whose answer is empty when all is well, or one line that says what is not."""

    look: Callable[[], Awaitable[str]]
    well: str
    ill: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(scope)).send(send)

    async def _answer(self, scope: Scope) -> Answer:
        if scope["method"] not in ("GET", "HEAD"):
            return plain_answer(405, "only GET is answered here", ((b"allow", b"GET, HEAD"),))
        problem = await self.look()
        return plain_answer(503, f"{self.ill}: {problem}") if problem else plain_answer(200, self.well)


def health(store: GrantStore) -> Probe:
    """``/healthz``."""

    async def look() -> str:
        return await _store_problem(store)

    return Probe(look, "ok", "not ok")


def readiness(store: GrantStore, source: ConfigSource, held: HeldPolls) -> Probe:
    """``/readyz``."""

    async def look() -> str:
        if held.draining:
            return "the server is stopping"
        return await _store_problem(store) or await _source_problem(source)

    return Probe(look, "ready", "not ready")


async def _store_problem(store: GrantStore) -> str:
    try:
        async with asyncio.timeout(_LIMIT):
            await store.check_writable()
    except StoreUnavailable as error:
        return str(error)
    except TimeoutError:
        return f"the store did not answer a write in {_LIMIT:.0f} s"
    return ""


async def _source_problem(source: ConfigSource) -> str:
    try:
        async with asyncio.timeout(_LIMIT):
            # No machine has no variable at all, so this finds nothing, and fails when nothing can be found.
            await source.find_entry(MachineIdentity())
    except ConfigUnavailable as error:
        return str(error)
    except TimeoutError:
        return f"the machine configurations did not answer in {_LIMIT:.0f} s"
    return ""
