"""``GET /healthz``: 200 if the store is writable. ``GET /readyz``: 200 if machines should be sent here.

A healthy server may still not be ready: it may be stopping, or unable to read its configurations. Anybody may ask, so
an answer writes nothing: the server itself writes from time to time, and the endpoints report how the last write ended.
The version is in a header, so that a probe that compares the body still works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bootgrant import __version__
from bootgrant.asgi import Receive, Scope, Send
from bootgrant.asgi.answer import Answer, Headers, plain_answer
from bootgrant.ports.chores import Chore, every, failing
from bootgrant.ports.configurations import ConfigSource, ConfigUnavailable
from bootgrant.ports.grants import GrantStore, StoreUnavailable
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.limits.admission import HeldPolls

_LIMIT = 5.0
_VERSION: Final[Headers] = ((b"bootgrant-version", __version__.encode()),)
CHECK_EVERY: Final = 5.0
"""Seconds between two writes that only find out whether the store can be written."""


class StoreCheck:
    """``problem`` is why the last write failed, empty if it did not. Opening the store was the first write."""

    def __init__(self, store: GrantStore) -> None:
        self._store = store
        self.problem = ""

    @property
    def chore(self) -> Chore:
        return Chore("check of the store", self.step, every(CHECK_EVERY))

    async def step(self) -> None:
        """Write to the store, and keep the outcome."""
        self.problem = await _problem(self._store.check_writable, "the store did not answer a write")

    async def look(self) -> str:
        return self.problem


@dataclass(frozen=True, slots=True)
class Probe:
    """An endpoint that answers 200 if ``look`` returns "", or 503 with the problem that it returns, on one line.

    ``notes`` are added to a 200: they need a person, but machines can be sent here.
    """

    look: Callable[[], Awaitable[str]]
    well: str
    ill: str
    notes: Callable[[], Sequence[str]] = tuple

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._answer(scope)).send(send)

    async def _answer(self, scope: Scope) -> Answer:
        if scope["method"] not in ("GET", "HEAD"):
            return plain_answer(405, "this endpoint only accepts GET", ((b"allow", b"GET, HEAD"),))
        problem = await self.look()
        if problem:
            return plain_answer(503, f"{self.ill}: {problem}", _VERSION)
        return plain_answer(200, "; ".join((self.well, *self.notes())), _VERSION)


def health(store: StoreCheck) -> Probe:
    """``/healthz``."""
    return Probe(store.look, "ok", "not ok")


def readiness(store: StoreCheck, source: ConfigSource, held: HeldPolls, chores: Sequence[Chore] = ()) -> Probe:
    """``/readyz``. Names the ``chores`` that keep failing; they do not make the server unready."""

    async def look() -> str:
        if held.draining:
            return "the server is stopping"
        # An empty identity matches no entry, but looking for it fails if the configurations are unusable.
        find = partial(source.find_entry, MachineIdentity())
        return store.problem or await _problem(find, "the machine configurations did not answer")

    return Probe(look, "ready", "not ready", partial(failing, chores))


async def _problem(work: Callable[[], Awaitable[object]], no_answer: str) -> str:
    try:
        async with asyncio.timeout(_LIMIT):
            await work()
    except (ConfigUnavailable, StoreUnavailable) as error:
        return str(error)
    except TimeoutError:
        return f"{no_answer} in {_LIMIT:.0f} s"
    return ""
