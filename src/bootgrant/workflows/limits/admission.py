"""How many requests may wait at once: for a person's decision, and as open polls.

Counted in memory, per process.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from enum import Enum
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Final, NamedTuple

from bootgrant.approval.grant import DeviceGrant
from bootgrant.wire.identity import MachineIdentity

_OFTEN: Final = 4
"""How often the places of an address may be asked for in one window."""


class TooMany(Enum):
    """Which limit is reached."""

    FROM_ADDRESS = "too many machines wait at this address"
    OFTEN = "this address asks too often"
    IN_ALL = "too many machines wait"


class _Waiting(NamedTuple):
    network: str
    machine: tuple[str, str]
    expires_at: float


class _Asked:
    """How often an address has asked since a moment."""

    __slots__ = ("since", "times")

    def __init__(self, since: float) -> None:
        self.since = since
        self.times = 0


class Admission:
    """``per_address`` and ``in_all`` are how many may wait. Requests end by ``release`` or when they expire.

    In ``window`` seconds an address may ask four times ``per_address``, whatever became of it. An IPv6 network of 64
    bits is one address: whoever has one of its addresses can have them all.
    """

    def __init__(self, per_address: int, in_all: int, window: float = 600.0) -> None:
        self._per_address = per_address
        self._in_all = in_all
        # In the order of their end, because every request lives equally long.
        self._waiting: dict[str, _Waiting] = {}
        self._at: Counter[str] = Counter()
        self._machines: set[tuple[str, str]] = set()
        self._window = window
        # In the order in which their windows began.
        self._asked: dict[str, _Asked] = {}

    def check(self, identity: MachineIdentity, address: str, now: float) -> TooMany | None:
        """The limit that one more request from ``address`` would pass, None when there is room.

        There is room for a machine that waits already: it takes its own place.
        """
        self._forget_expired(now)
        network = _network(address)
        is_new = (address, identity.key) not in self._machines
        if is_new and self._at[network] >= self._per_address:
            return TooMany.FROM_ADDRESS
        asked = self._asked.get(network)
        if asked is None:
            asked = self._asked[network] = _Asked(now)
        if asked.times >= _OFTEN * self._per_address:
            return TooMany.OFTEN
        asked.times += 1
        return TooMany.IN_ALL if is_new and len(self._waiting) >= self._in_all else None

    def add(self, grant: DeviceGrant) -> None:
        """This one waits."""
        network, machine = _network(grant.source_address), (grant.source_address, grant.identity.key)
        self._waiting[grant.grant_id] = _Waiting(network, machine, grant.expires_at)
        self._machines.add(machine)
        self._at[network] += 1

    def add_all(self, grants: Iterable[DeviceGrant]) -> None:
        """Count what waited when this process began."""
        for grant in sorted(grants, key=lambda grant: grant.expires_at):
            self.add(grant)

    def release(self, *grant_ids: str) -> None:
        """These wait no longer. Unknown ids are ignored: another process may have counted them."""
        for grant_id in grant_ids:
            if (ended := self._waiting.pop(grant_id, None)) is not None:
                self._machines.discard(ended.machine)
                self._leave(ended.network)

    def _forget_expired(self, now: float) -> None:
        while self._asked:
            network, asked = next(iter(self._asked.items()))
            # A clock that was set back begins a new window, instead of refusing for as long as it was wrong.
            if 0 <= now - asked.since < self._window:
                break
            del self._asked[network]
        while self._waiting:
            grant_id, waiting = next(iter(self._waiting.items()))
            if waiting.expires_at > now:
                return
            self.release(grant_id)

    def _leave(self, network: str) -> None:
        self._at[network] -= 1
        if self._at[network] <= 0:
            del self._at[network]


@lru_cache(maxsize=8192)
def _network(address: str) -> str:
    """What an address is counted as: an IPv6 address as its /64, others as themselves."""
    if ":" not in address:
        return address
    return str(IPv6Address(int(IPv6Address(address)) >> 64 << 64))


class HeldPolls:
    """At most ``most`` requests wait at once; over that, and after ``drain``, none does. Used from one event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: set[asyncio.Future[None]] = set()
        self._draining = False

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def has_room(self) -> bool:
        """Whether another request may wait now."""
        return not self._draining and len(self._waiting) < self._most

    @property
    def draining(self) -> bool:
        """Whether the server is about to end."""
        return self._draining

    async def wait(self, wake: asyncio.Future[None], seconds: float) -> bool:
        """Wait until ``wake`` ends, for at most ``seconds``; False when it did not, or there is no room to wait."""
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
        """Let every waiting request be answered now, and hold no more."""
        self._draining = True
        for wake in self._waiting:
            _end(wake)


def _end(wake: asyncio.Future[None]) -> None:
    if not wake.done():
        wake.set_result(None)
