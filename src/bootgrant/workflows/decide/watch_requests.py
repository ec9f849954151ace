"""Open pages are notified when the queue, an open window, or the request that they show, changes.

A version is a short text that changes with what a page shows. While anybody watches the queue, one read of the store
per second serves all of them, on every kind of store and with any number of servers.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.policy import Window
from bootgrant.ports.grants import GrantStore, WindowStore
from bootgrant.ports.time import Clock
from bootgrant.workflows.decide.grant_cards import GrantCard, GrantCards
from bootgrant.workflows.limits.admission import HeldPolls

log = logging.getLogger("bootgrant.operators")

_LOOK: Final = 1.0
_QUEUE: Final = 500


class Watch(Enum):
    """Why a watching page gets no new version."""

    QUIET = "nothing changed"
    OVER = "stop watching: too many pages watch, or the server is stopping"


def queue_version(grants: Iterable[DeviceGrant], windows: Iterable[Window] = ()) -> str:
    """Return a text that changes when a request or an open window comes, goes or changes, in whichever order."""
    lines = sorted(f"{grant.grant_id} {_shown(grant)}" for grant in grants)
    lines += sorted(f"window {window.window_id} {window.used}" for window in windows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def request_version(grant: DeviceGrant, now: float) -> str:
    """Return a text that changes with what a page shows of a request."""
    return hashlib.sha256(f"{grant.state_at(now)} {_shown(grant)}".encode()).hexdigest()[:16]


def _shown(grant: DeviceGrant) -> str:
    return f"{grant.decision} {grant.votes} {grant.deliveries} {grant.entry} {grant.elsewhere} {grant.undenied}"


class WatchRequests:
    """A chore for one event loop: ``step``, then ``wait``. At most ``most`` pages may wait at once.

    ``drain`` ends all of their waits.
    """

    def __init__(self, store: GrantStore, windows: WindowStore, clock: Clock, most: int = 1000) -> None:
        self._store = store
        self._windows = windows
        self._clock = clock
        self._held = HeldPolls(most)
        self._at_queue: dict[asyncio.Future[None], str] = {}
        self._queue = ""
        self._news = asyncio.Event()
        """Set when the first viewer comes, or the last one leaves."""

    async def queue(self, seen: str, patience: float) -> str | Watch:
        """Return the version of the queue once it differs from ``seen``; wait for at most ``patience`` seconds."""
        if not self._held.has_room:
            return Watch.OVER
        wake = asyncio.get_running_loop().create_future()
        if not self._at_queue:
            self._news.set()
        self._at_queue[wake] = seen
        try:
            changed = await self._held.wait(wake, patience)
        finally:
            del self._at_queue[wake]
            if not self._at_queue:
                self._news.set()
        return self._queue if changed else self._quiet()

    async def request(self, grant_id: str, seen: str, patience: float) -> str | Watch:
        """Do the same for one request. Raises StoreUnavailable."""
        with self._store.watch_grant(grant_id) as wake:
            version = await self._version(grant_id)
            if version != seen:
                return version
            if not self._held.has_room:
                return Watch.OVER
            await self._held.wait(wake, patience)
        version = await self._version(grant_id)
        return version if version != seen else self._quiet()

    def drain(self) -> None:
        """End all waits, because the server is stopping."""
        self._held.drain()

    def _quiet(self) -> Watch:
        return Watch.QUIET if self._held.has_room else Watch.OVER

    async def _version(self, grant_id: str) -> str:
        grant = await self._store.find_grant(grant_id)
        return "" if grant is None else request_version(grant, self._clock.now())

    async def step(self) -> None:
        """Read the queue once for all pages that watch it, and wake those that have seen another version.

        Raises StoreUnavailable. Costs nothing while nobody watches.
        """
        self._news.clear()
        if not self._at_queue:
            return
        now = self._clock.now()
        windows = [window for window in await self._windows.windows() if window.is_open(now)]
        self._queue = queue_version(await self._store.pending_grants(now, _QUEUE), windows)
        for wake, seen in self._at_queue.items():
            if seen != self._queue and not wake.done():
                wake.set_result(None)

    async def wait(self) -> None:
        """Return when the queue should be read again: after a second, or when the first viewer comes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK if self._at_queue else None):
                await self._news.wait()


_KEPT: Final = 1.0


@dataclass(slots=True)
class WaitingCards:
    """The waiting list, and the machines that are refused after a denial. For one event loop.

    Pages that refresh by themselves share one read per second.
    """

    cards: GrantCards
    clock: Clock
    most: int = 500
    most_refused: int = 50
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _recent: tuple[Sequence[GrantCard], Sequence[GrantCard]] = ((), ())
    _at: float = float("-inf")

    async def current(self) -> Sequence[GrantCard]:
        """Return the list as it is now. Raises StoreUnavailable."""
        return await self.cards.waiting(self.most)

    async def refused(self) -> Sequence[GrantCard]:
        """Return the refused machines as they are now. Raises StoreUnavailable."""
        return await self.cards.refused(self.most_refused)

    async def recent(self) -> tuple[Sequence[GrantCard], Sequence[GrantCard]]:
        """Return both lists as they were at most a second ago; watching pages are notified of what has changed since.

        Raises StoreUnavailable.
        """
        async with self._lock:
            if self.clock.steady() - self._at >= _KEPT:
                self._recent = (await self.current(), await self.refused())
                self._at = self.clock.steady()
            return self._recent
