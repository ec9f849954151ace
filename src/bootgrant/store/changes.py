"""What follows a durable change of a grant: waiting calls wake up, and the metrics count the step."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.transitions import GrantState
from bootgrant.store.database import StoreCounts


class ChangeBoard:
    """The watchers of grants within one process, by grant id. Belongs to one event loop."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[asyncio.Future[None]]] = {}

    @contextmanager
    def watch(self, grant_id: str) -> Iterator[asyncio.Future[None]]:
        """Yield a future that is done at the next change of this grant."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.setdefault(grant_id, set()).add(future)
        try:
            yield future
        finally:
            futures = self._watchers[grant_id]
            futures.discard(future)
            if not futures:
                del self._watchers[grant_id]
            future.cancel()

    def announce(self, grant_id: str) -> None:
        """Wake every watcher of this grant."""
        for future in self._watchers.get(grant_id, ()):
            if not future.done():
                future.set_result(None)


def count_step(counts: StoreCounts, before: DeviceGrant, after: DeviceGrant) -> None:
    """Count the step from ``before`` to ``after`` and how long it took; a change within one state is not a step."""
    if after.state is before.state:
        return
    counts.steps[after.state.value] += 1
    if after.decision is None:
        return
    if before.state is GrantState.PENDING:
        counts.decision.add(after.decision.at - after.opened_at)
    if after.state is GrantState.DELIVERED and after.delivered_at is not None:
        counts.delivery.add(after.delivered_at - after.decision.at)
