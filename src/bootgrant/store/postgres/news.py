"""How a server hears of changes that others made: LISTEN/NOTIFY for speed, a periodic look at the table as a net.

A notification is sent after the commit, outside the transaction and many at a time, so no transaction waits for it. A
database without LISTEN (CockroachDB), or a pooler that swallows notifications, costs a delay of a second at most.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

import psycopg
from psycopg import AsyncConnection, errors

from bootgrant.ports.chores import Chore
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.postgres.connections import Connection, Connections, PostgresAddress, reason_of
from bootgrant.store.postgres.watching import Watching

log = logging.getLogger("bootgrant.store")

LOOK_HEARING: Final = 10.0
"""Seconds between two looks at the watched rows while notifications arrive."""

LOOK_DEAF: Final = 1.0
"""The same while they do not."""

LISTENER: Final = "bootgrant listener"
"""The application name of the connection that listens."""

_CHANNEL: Final = "bootgrant_grants"
_PAYLOAD: Final = 7900
_HEARTBEAT: Final = 15.0
_RECONNECT: Final = (0.2, 5.0)
_CHUNK: Final = 1000
_HOUR: Final = 3600.0
_NOTIFY = "SELECT pg_notify(%s, %s)"
_LOOK = "SELECT grant_id, version FROM grants WHERE grant_id = ANY(%s)"
_UNSUPPORTED = (errors.FeatureNotSupported, errors.UndefinedFunction, errors.SyntaxError)


class News:
    """Publishes this server's changes and hears the others', while its ``chores`` run. Belongs to one event loop."""

    def __init__(self, address: PostgresAddress, connections: Connections, watching: Watching) -> None:
        self._address = address
        self._connections = connections
        self._watching = watching
        self._greeting = uuid.uuid4().hex
        self.hearing = False  # whether notifications arrive at the moment
        self._lost = False
        self._supported = True
        self._unsent: dict[str, int] = {}
        self._has_unsent = asyncio.Event()
        self._pause = _RECONNECT[0]
        self.chores: Sequence[Chore] = (
            Chore("announcing of changes", self._send, self._has_unsent.wait),
            Chore("hearing of changes", self._listen, self._until_reconnect),
            Chore("looking for changes", self._look, self._until_look),
        )

    def publish(self, grant_id: str, version: int) -> None:
        """Wake this server's watchers of a grant that this server has changed, and notify the other servers."""
        self._watching.changed(grant_id, version)
        if self._supported:
            self._unsent[grant_id] = version
            self._has_unsent.set()

    async def _send(self) -> None:
        self._has_unsent.clear()
        versions, self._unsent = self._unsent, {}
        if not versions:
            return
        try:
            await self._connections.run(partial(_notify, versions))
        except StoreUnavailable as error:
            # The others find these changes at their next look.
            self._supported = not isinstance(error.__cause__, _UNSUPPORTED)

    async def _listen(self) -> None:
        """Connect, and hear until the connection breaks."""
        if not self._supported:
            return
        try:
            parameters = {**self._address.parameters(), "application_name": LISTENER}
            async with await AsyncConnection.connect(autocommit=True, **parameters) as connection:
                await self._hear(connection)
        except _UNSUPPORTED:
            self._supported = False
            log.info("this database has no LISTEN: changes by other servers are seen within a second")
        except (psycopg.Error, StoreUnavailable, TimeoutError) as error:
            # Not a failure of this chore: the table is still looked at.
            self._note_lost(error)
        finally:
            self._pause = _RECONNECT[0] if self.hearing else min(2 * self._pause, _RECONNECT[1])
            self.hearing = False

    async def _until_reconnect(self) -> None:
        await asyncio.sleep(self._pause if self._supported else _HOUR)

    def _note_lost(self, error: Exception) -> None:
        if not self._lost:
            self._lost = True
            reason = reason_of(error) if isinstance(error, psycopg.Error) else str(error)
            log.warning("lost the connection to %s: %s", self._address, reason)

    async def _hear(self, connection: Connection) -> None:
        """Listen until the connection breaks. A greeting that does not come back means that it is deaf."""
        await connection.execute(f"LISTEN {_CHANNEL}")
        while True:
            heard = False
            await connection.execute(_NOTIFY, (_CHANNEL, self._greeting))
            async for notice in connection.notifies(timeout=_HEARTBEAT):
                if notice.payload == self._greeting:
                    heard = True
                    await self._now_hearing()
                else:
                    self._read(notice.payload)
            if not heard:
                raise TimeoutError("LISTEN is on, but no notification arrives")

    async def _now_hearing(self) -> None:
        """Look once at what changed while this server was not listening."""
        if self._lost:
            self._lost = False
            log.info("connected to %s again", self._address)
        if not self.hearing:
            self.hearing = True
            self._watching.seen.clear()
            await self._look()

    def _read(self, payload: str) -> None:
        for part in payload.split(","):
            grant_id, _, version = part.partition(":")
            if version.isascii() and version.isdigit():
                self._watching.changed(grant_id, int(version))

    async def _until_look(self) -> None:
        await asyncio.sleep(LOOK_HEARING if self.hearing else LOOK_DEAF)

    async def _look(self) -> None:
        watched = list(self._watching.versions())
        for start in range(0, len(watched), _CHUNK):
            chunk = watched[start : start + _CHUNK]
            try:
                found: dict[str, int] = dict(await self._connections.fetch(_LOOK, (chunk,)))
            except StoreUnavailable:
                return
            for grant_id in chunk:
                if grant_id in found:
                    self._watching.changed(grant_id, found[grant_id])
                else:
                    self._watching.gone(grant_id)


async def _notify(versions: Mapping[str, int], connection: Connection) -> None:
    await connection.cursor().executemany(_NOTIFY, [(_CHANNEL, payload) for payload in _payloads(versions)])


def _payloads(versions: Mapping[str, int]) -> Iterator[str]:
    """Yield ``id:version`` pairs, as many to a notification as PostgreSQL takes."""
    parts: list[str] = []
    size = 0
    for grant_id, version in versions.items():
        part = f"{grant_id}:{version}"
        if size + len(part) > _PAYLOAD:
            yield ",".join(parts)
            parts, size = [], 0
        parts.append(part)
        size += len(part) + 1
    if parts:
        yield ",".join(parts)
