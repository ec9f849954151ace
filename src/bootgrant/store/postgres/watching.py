"""Who waits on this server for which grant, and which version of it they have seen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from bootgrant.approval.grant import DeviceGrant
from bootgrant.store.changes import ChangeBoard
from bootgrant.store.postgres.seen_waiting import SeenWaiting


class Watching:
    """A ChangeBoard for rows that other servers change too. Used from one event loop.

    A watcher is woken when a version arrives that it has not read, by whatever way it arrives and in whatever order.
    """

    def __init__(self) -> None:
        self.seen = SeenWaiting()
        self._board = ChangeBoard()
        self._watchers: dict[str, int] = {}
        self._versions: dict[str, int] = {}

    @contextmanager
    def watch(self, grant_id: str) -> Iterator[asyncio.Future[None]]:
        self._watchers[grant_id] = self._watchers.get(grant_id, 0) + 1
        try:
            with self._board.watch(grant_id) as future:
                yield future
        finally:
            self._watchers[grant_id] -= 1
            if not self._watchers[grant_id]:
                del self._watchers[grant_id]
                self._versions.pop(grant_id, None)

    def read(self, grant: DeviceGrant, version: int) -> None:
        """A row was read for somebody: from now on a newer version is news."""
        grant_id = grant.grant_id
        self.seen.put(grant, version)
        if grant_id in self._watchers and grant_id not in self._versions:
            self._versions[grant_id] = version
        else:
            self.changed(grant_id, version)

    def changed(self, grant_id: str, version: int) -> None:
        """News of a version, from this server, another one, or a look at the table.

        Before anything was read it wakes too: the read that is under way may be older than the news.
        """
        self.seen.changed(grant_id, version)
        if grant_id not in self._watchers:
            return
        newest = self._versions.get(grant_id)
        if newest is None or version > newest:
            self._versions[grant_id] = version
            self._board.announce(grant_id)

    def gone(self, grant_id: str) -> None:
        """The row is there no more."""
        self.seen.drop(grant_id)
        self._board.announce(grant_id)

    def versions(self) -> Mapping[str, int]:
        """The watched grants that were read, and the newest version known of each."""
        return dict(self._versions)
