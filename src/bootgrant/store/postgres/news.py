"""How one server hears of changes that another made: LISTEN/NOTIFY for speed, a look at the table as the net.

A notice is sent after the change is committed, apart from it and many at a time: no transaction waits for it, and a
database that knows no LISTEN (CockroachDB), or a pooler in between that swallows it, costs a second and nothing else.
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

from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.postgres.address import PostgresAddress
from bootgrant.store.postgres.connections import Connection, Connections, reason_of
from bootgrant.store.postgres.watching import Watching

log = logging.getLogger("bootgrant.store")

LOOK_HEARING: Final = 10.0
LOOK_DEAF: Final = 1.0
"""Seconds between two looks at the watched rows, while notices arrive and while they do not."""

_CHANNEL: Final = "bootgrant_grants"
_PAYLOAD: Final = 7900
_HEARTBEAT: Final = 15.0
_RECONNECT: Final = (0.2, 5.0)
_CHUNK: Final = 1000
_NOTIFY = "SELECT pg_notify(%s, %s)"
_LOOK = "SELECT grant_id, version FROM grants WHERE grant_id = ANY(%s)"
_UNKNOWN = (errors.FeatureNotSupported, errors.UndefinedFunction, errors.SyntaxError)


class News:
    """Sends this server's changes and hears the others'. ``start`` and ``stop`` belong to one event loop."""

    def __init__(self, address: PostgresAddress, connections: Connections, watching: Watching) -> None:
        self._address = address
        self._connections = connections
        self._watching = watching
        self._greeting = uuid.uuid4().hex
        self._hearing = False
        self._lost = False
        self._known = True
        self._unsent: dict[str, int] = {}
        self._something = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(work()) for work in (self._send, self._listen, self._look)]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def hearing(self) -> bool:
        """Whether notices arrive now."""
        return self._hearing

    def tell(self, grant_id: str, version: int) -> None:
        """This server has changed the grant: wake those who wait here, and tell the other servers."""
        self._watching.changed(grant_id, version)
        if self._known:
            self._unsent[grant_id] = version
            self._something.set()

    async def _send(self) -> None:
        while self._known:
            await self._something.wait()
            self._something.clear()
            told, self._unsent = self._unsent, {}
            try:
                await self._connections.run(partial(_notify, told))
            except StoreUnavailable as error:
                # The net finds what was not told.
                self._known = not isinstance(error.__cause__, _UNKNOWN)

    async def _listen(self) -> None:
        pause = _RECONNECT[0]
        while self._known:
            try:
                async with await AsyncConnection.connect(autocommit=True, **self._address.parameters()) as connection:
                    await self._hear(connection)
            except _UNKNOWN:
                self._known = False
                log.info("this database has no LISTEN: what other servers decide is seen within a second")
            except (psycopg.Error, StoreUnavailable, TimeoutError) as error:
                self._note_lost(error)
            pause = _RECONNECT[0] if self._hearing else min(2 * pause, _RECONNECT[1])
            self._hearing = False
            await asyncio.sleep(pause)

    def _note_lost(self, error: Exception) -> None:
        if not self._lost:
            self._lost = True
            reason = reason_of(error) if isinstance(error, psycopg.Error) else str(error)
            log.warning("lost touch with %s: %s", self._address, reason)

    async def _hear(self, connection: Connection) -> None:
        """Hear until the connection breaks. Its own greeting must come back, again and again, or it is deaf."""
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
                raise TimeoutError("LISTEN is on and nothing comes")

    async def _now_hearing(self) -> None:
        """What changed while nobody listened is looked up once."""
        if self._lost:
            self._lost = False
            log.info("in touch with %s again", self._address)
        if not self._hearing:
            self._hearing = True
            self._watching.seen.clear()
            await self._look_once()

    def _read(self, payload: str) -> None:
        for part in payload.split(","):
            grant_id, _, version = part.partition(":")
            if version.isascii() and version.isdigit():
                self._watching.changed(grant_id, int(version))

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_HEARING if self._hearing else LOOK_DEAF)
            await self._look_once()

    async def _look_once(self) -> None:
        watched = list(self._watching.versions())
        for start in range(0, len(watched), _CHUNK):
            chunk = watched[start : start + _CHUNK]
            try:
                found = await self._connections.run(partial(_versions, chunk))
            except StoreUnavailable:
                return
            for grant_id in chunk:
                if grant_id in found:
                    self._watching.changed(grant_id, found[grant_id])
                else:
                    self._watching.gone(grant_id)


async def _notify(told: Mapping[str, int], connection: Connection) -> None:
    await connection.cursor().executemany(_NOTIFY, [(_CHANNEL, payload) for payload in _payloads(told)])


def _payloads(told: Mapping[str, int]) -> Iterator[str]:
    """``id:version`` pairs, as many to a notice as PostgreSQL takes."""
    parts: list[str] = []
    size = 0
    for grant_id, version in told.items():
        part = f"{grant_id}:{version}"
        if size + len(part) > _PAYLOAD:
            yield ",".join(parts)
            parts, size = [], 0
        parts.append(part)
        size += len(part) + 1
    if parts:
        yield ",".join(parts)


async def _versions(grant_ids: Sequence[str], connection: Connection) -> dict[str, int]:
    cursor = await connection.execute(_LOOK, (list(grant_ids),))
    return dict(await cursor.fetchall())
