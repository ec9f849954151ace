"""New requests of machines, gathered for the next message to people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bootgrant.approval.grant import DeviceGrant
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.time import Clock

_MOST: Final = 2000
_LOOK_BACK: Final = 120.0
_PRUNE_EVERY: Final = 60.0


@dataclass(slots=True)
class NewRequests:
    """``grants`` are those that no message has named yet, by id.

    They are ripe when none came for ``quiet`` seconds, or ``longest`` seconds after the first one.
    """

    store: GrantStore
    clock: Clock
    quiet: float
    longest: float
    grants: dict[str, DeviceGrant] = field(default_factory=dict)
    _seen: dict[str, float] = field(default_factory=dict)
    _since: float = 0.0
    _last: float = 0.0
    _looked_since: float = 0.0
    _prune_at: float = 0.0

    @property
    def are_ripe(self) -> bool:
        """Whether it is time for a message."""
        now = self.clock.steady()
        return bool(self.grants) and (now - self._last >= self.quiet or now - self._since >= self.longest)

    def clear(self) -> None:
        """Forget the gathered requests: a message names them now."""
        self.grants = {}

    async def read(self) -> None:
        """Gather the requests that came since the last call. Raises StoreUnavailable."""
        now, steady = self.clock.now(), self.clock.steady()
        if steady >= self._prune_at:
            self._seen = {grant_id: ends for grant_id, ends in self._seen.items() if ends > now}
            self._prune_at = steady + _PRUNE_EVERY
        # Other servers have other clocks, and their rows appear when they commit: look back a little.
        found = await self.store.pending_since(self._looked_since, now, _MOST)
        self._looked_since = now - _LOOK_BACK
        # In a flood, the others are found again after these.
        room = _MOST - len(self.grants)
        new = [grant for grant in found if grant.grant_id not in self._seen][:room]
        if not new:
            return
        if not self.grants:
            self._since = steady
        self._last = steady
        for grant in reversed(new):
            self._seen[grant.grant_id] = grant.expires_at
            self.grants[grant.grant_id] = grant
