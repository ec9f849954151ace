"""How many requests may wait for a person at once: per address, so that a flood from one hurts only itself, and in all.

Counted in memory, per process. It fails closed: who is over the limit is refused until requests end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from bootgrant.approval.grant import DeviceGrant


class TooMany(Enum):
    """Which limit is reached."""

    FROM_ADDRESS = "too many machines wait at this address"
    IN_ALL = "too many machines wait"


class _Waiting(NamedTuple):
    address: str
    expires_at: float


class Admission:
    """``per_address`` and ``in_all`` are how many may wait. Requests end by ``release`` or when they expire."""

    def __init__(self, per_address: int, in_all: int) -> None:
        self._per_address = per_address
        self._in_all = in_all
        # In the order of their end, because every request lives equally long.
        self._waiting: dict[str, _Waiting] = {}
        self._at: Counter[str] = Counter()

    def check(self, address: str, now: float) -> TooMany | None:
        """The limit that one more request from ``address`` would pass, None when there is room."""
        self._forget_expired(now)
        if self._at[address] >= self._per_address:
            return TooMany.FROM_ADDRESS
        return TooMany.IN_ALL if len(self._waiting) >= self._in_all else None

    def add(self, grant_id: str, address: str, expires_at: float) -> None:
        self._waiting[grant_id] = _Waiting(address, expires_at)
        self._at[address] += 1

    def add_all(self, grants: Iterable[DeviceGrant]) -> None:
        """Count what waited when this process began."""
        for grant in sorted(grants, key=lambda grant: grant.expires_at):
            self.add(grant.grant_id, grant.source_address, grant.expires_at)

    def release(self, *grant_ids: str) -> None:
        """These wait no longer. Unknown ids are ignored: another process may have counted them."""
        for grant_id in grant_ids:
            if (ended := self._waiting.pop(grant_id, None)) is not None:
                self._leave(ended.address)

    def _forget_expired(self, now: float) -> None:
        while self._waiting:
            grant_id, waiting = next(iter(self._waiting.items()))
            if waiting.expires_at > now:
                return
            self.release(grant_id)

    def _leave(self, address: str) -> None:
        self._at[address] -= 1
        if self._at[address] <= 0:
            del self._at[address]
