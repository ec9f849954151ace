"""How many requests may wait at once: for a person's decision, and as open polls.

Counted in memory, per process.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from bootgrant.approval.grant import DeviceGrant
from bootgrant.wire.identity import MachineIdentity

_REQUESTS: Final = 4
"""How many requests an address may make in a window, as a multiple of the number that may wait."""


class TooMany(Enum):
    """Which limit is reached."""

    FROM_ADDRESS = "too many machines wait at this address"
    OFTEN = "this address asks too often"
    IN_ALL = "too many machines wait"


class _Waiting(NamedTuple):
    network: str
    machine: tuple[str, str]


class _Window:
    """Requests of an address since a moment."""

    __slots__ = ("requests", "since")

    def __init__(self, since: float) -> None:
        self.since = since
        self.requests = 0


class Admission:
    """Limits pending requests per address, so that a flood from one hurts only itself, and in total.

    ``per_address`` and ``in_all`` are how many may wait. Requests end by ``release`` or when they expire. A machine
    that asks again replaces its own request, but costs memory and disk: in ``window`` seconds an address may make four
    times ``per_address`` requests, whatever became of them. The limits fail closed: beyond them, requests are refused
    until others end. An IPv6 /64 counts as one address, because its owner can use all of it.
    """

    def __init__(self, per_address: int, in_all: int, window: float = 600.0) -> None:
        self._per_address = per_address
        self._in_all = in_all
        self._waiting: dict[str, _Waiting] = {}
        # The ends of all of them, and of some that have been released.
        self._ends: list[tuple[float, str]] = []
        self._at: Counter[str] = Counter()
        self._machines: set[tuple[str, str]] = set()
        self._length = window
        # Ordered by their beginning.
        self._windows: dict[str, _Window] = {}

    def check(self, identity: MachineIdentity, address: str, now: float) -> TooMany | None:
        """Return the limit that a request from ``address`` would exceed, None when there is room.

        A machine with a pending request has room: the new one replaces it.
        """
        self._forget_expired(now)
        network = _network(address)
        is_new = (address, identity.key) not in self._machines
        if is_new and self._at[network] >= self._per_address:
            return TooMany.FROM_ADDRESS
        window = self._windows.get(network)
        if window is None:
            window = self._windows[network] = _Window(now)
        if window.requests >= _REQUESTS * self._per_address:
            return TooMany.OFTEN
        window.requests += 1
        return TooMany.IN_ALL if is_new and len(self._waiting) >= self._in_all else None

    def add(self, grant: DeviceGrant) -> None:
        """Count a pending request."""
        network, machine = _network(grant.source_address), (grant.source_address, grant.identity.key)
        self._waiting[grant.grant_id] = _Waiting(network, machine)
        heapq.heappush(self._ends, (grant.expires_at, grant.grant_id))
        self._machines.add(machine)
        self._at[network] += 1

    def add_all(self, grants: Iterable[DeviceGrant]) -> None:
        """Count the requests that were pending when this process started."""
        for grant in grants:
            self.add(grant)

    def release(self, *grant_ids: str) -> None:
        """Stop counting these. Unknown ids are ignored: another process may have counted them."""
        for grant_id in grant_ids:
            if (ended := self._waiting.pop(grant_id, None)) is not None:
                self._machines.discard(ended.machine)
                self._at[ended.network] -= 1
                if self._at[ended.network] <= 0:
                    del self._at[ended.network]

    def _forget_expired(self, now: float) -> None:
        while self._windows:
            network, window = next(iter(self._windows.items()))
            # A clock that was set back starts a new window, instead of refusing for as long as it was wrong.
            if 0 <= now - window.since < self._length:
                break
            del self._windows[network]
        while self._ends and self._ends[0][0] <= now:
            self.release(heapq.heappop(self._ends)[1])


@lru_cache(maxsize=8192)
def _network(address: str) -> str:
    """Return what an address is counted as: the /64 of an IPv6 address, others themselves."""
    if ":" not in address:
        return address
    return str(IPv6Address(int(IPv6Address(address)) >> 64 << 64))


class HeldPolls:
    """Holds up to ``most`` token requests open until a decision; none after ``drain``. For one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: set[asyncio.Future[None]] = set()
        self._draining = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether another request may be held now."""
        return not self._draining and len(self._waiting) < self._most

    @property
    def draining(self) -> bool:
        """Whether the server is stopping."""
        return self._draining

    async def wait(self, wake: asyncio.Future[None], seconds: float) -> bool:
        """Wait until ``wake`` is done, for at most ``seconds``. Return False when it was not, or there is no room."""
        if self._draining or seconds <= 0 or len(self._waiting) >= self._most:
            return False
        late = False

        def give_up() -> None:
            nonlocal late
            late = not wake.done()
            _end(wake)

        timer = asyncio.get_running_loop().call_later(seconds, give_up)
        self._waiting.add(wake)
        try:
            await wake
        finally:
            timer.cancel()
            self._waiting.discard(wake)
        return not late and not self._draining

    def drain(self) -> None:
        """End all waits now, and hold no more requests."""
        self._draining = True
        for wake in self._waiting:
            _end(wake)


def _end(wake: asyncio.Future[None]) -> None:
    if not wake.done():
        wake.set_result(None)
