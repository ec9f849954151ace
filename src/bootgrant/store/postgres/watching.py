"""The grants that this server's callers wait for, the versions they know, and the pending grants seen lately."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.transitions import GrantState
from bootgrant.store.changes import ChangeBoard

SEEN: Final = 100_000
"""How many pending grants are remembered."""

HEARD: Final = 10_000
"""How many of the newest versions heard of are remembered."""


class SeenPending:
    """Pending grants by id and device code, each until a newer version is heard of: a poll of one is answered without
    asking the database again.

    This is only for polls. A step still makes one conditional statement, so a stale grant here gives nobody anything:
    at worst a poll waits until the next look at the table (news.py).
    """

    def __init__(self, seen: int = SEEN, heard: int = HEARD) -> None:
        self._most_seen = seen
        self._most_heard = heard
        self._seen: OrderedDict[str, tuple[DeviceGrant, int]] = OrderedDict()
        self._ids: dict[bytes, str] = {}
        # News can overtake the answer to a read; that answer is then stale when it arrives.
        self._heard: OrderedDict[str, int] = OrderedDict()

    def put(self, grant: DeviceGrant, version: int) -> None:
        """Note a row that was read or written."""
        known = self._seen.get(grant.grant_id)
        if known is not None and known[1] > version:
            return
        self.drop(grant.grant_id)
        if grant.state is not GrantState.PENDING or self._heard.get(grant.grant_id, 0) > version:
            return
        self._seen[grant.grant_id] = (grant, version)
        self._ids[grant.device_code_digest] = grant.grant_id
        if len(self._seen) > self._most_seen:
            self.drop(next(iter(self._seen)))

    def changed(self, grant_id: str, version: int) -> None:
        """Note that a version exists."""
        self._heard[grant_id] = max(version, self._heard.pop(grant_id, 0))
        if len(self._heard) > self._most_heard:
            self._heard.popitem(last=False)
        known = self._seen.get(grant_id)
        if known is not None and version > known[1]:
            self.drop(grant_id)

    def drop(self, grant_id: str) -> None:
        """Forget a grant, if it is here."""
        known = self._seen.pop(grant_id, None)
        if known is not None:
            del self._ids[known[0].device_code_digest]

    def clear(self) -> None:
        """Forget all grants, because changes may have been missed."""
        self._seen.clear()
        self._ids.clear()

    def get(self, grant_id: str) -> tuple[DeviceGrant, int] | None:
        """Return the grant and its version."""
        return self._seen.get(grant_id)

    def with_code(self, digest: bytes) -> tuple[DeviceGrant, int] | None:
        """Return the grant with this digest of the device code, and its version."""
        grant_id = self._ids.get(digest)
        return None if grant_id is None else self._seen.get(grant_id)


class Watching:
    """A ChangeBoard for rows that other servers change too. Belongs to one event loop.

    A watcher is woken by every version that it has not read, however and in whatever order the versions arrive.
    """

    def __init__(self) -> None:
        self.seen = SeenPending()
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
        """Note a row that was read for a caller; from now on only a newer version is news."""
        grant_id = grant.grant_id
        self.seen.put(grant, version)
        if grant_id in self._watchers and grant_id not in self._versions:
            self._versions[grant_id] = version
        else:
            self.changed(grant_id, version)

    def changed(self, grant_id: str, version: int) -> None:
        """Note a version that this server made, another server announced, or a look at the table found.

        It also wakes watchers that have read nothing yet: the read that is under way may be older.
        """
        self.seen.changed(grant_id, version)
        if grant_id not in self._watchers:
            return
        newest = self._versions.get(grant_id)
        if newest is None or version > newest:
            self._versions[grant_id] = version
            self._board.announce(grant_id)

    def gone(self, grant_id: str) -> None:
        """Note that the row was deleted."""
        self.seen.drop(grant_id)
        self._board.announce(grant_id)

    def versions(self) -> Mapping[str, int]:
        """Return the watched grants that were read, each with the newest version known."""
        return dict(self._versions)
