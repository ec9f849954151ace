"""The stores on one PostgreSQL database, as one of its servers opens it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import psycopg
from psycopg import AsyncConnection

from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.database import Database
from bootgrant.store.epoch_rows import EpochRows
from bootgrant.store.postgres.audit import PostgresAuditLog
from bootgrant.store.postgres.connections import Connection, Connections, PostgresAddress, reason_of
from bootgrant.store.postgres.grants import PostgresGrantStore
from bootgrant.store.postgres.migrations import check_schema
from bootgrant.store.postgres.news import LISTENER, News
from bootgrant.store.postgres.outbox import PostgresOutbox
from bootgrant.store.postgres.row_writes import PostgresRows
from bootgrant.store.postgres.watching import Watching

log = logging.getLogger("bootgrant.store")
_SERVERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
_AGREE = "INSERT INTO agreed (name, fingerprint) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING"


class PostgresDatabase(Database):
    """The stores on PostgreSQL."""

    def __init__(self, connections: Connections, watching: Watching, news: News) -> None:
        rows = PostgresRows(connections)
        self.keep_in(rows)
        self._connections = connections
        self._news = news
        self.chores = news.chores
        self.grants = PostgresGrantStore(connections, watching, news)
        self.counts = connections.counts
        self.outbox = PostgresOutbox(connections)
        self.audit = audit = PostgresAuditLog(connections)
        self.epochs = EpochRows(rows, audit)

    kind = "postgresql"

    def call_after_taking_away(self, look: Callable[[], Awaitable[None]]) -> None:
        self._connections.after_taking_away = look

    async def servers(self) -> int | None:
        """Count the connections that listen: each server has one. They are unknown where nothing listens."""
        if not self.hears_others:
            return None
        ((count,),) = await self._connections.fetch(_SERVERS, (LISTENER,))
        return int(count)

    @property
    def hears_others(self) -> bool:
        """Whether other servers' changes arrive at once. If not, they are found within a second."""
        return self._news.hearing

    async def agrees(self, name: str, fingerprint: str) -> bool:
        """Return whether every server of this database has the same ``name``. The first server to ask sets it."""

        async def compare(connection: Connection) -> bool:
            await connection.execute(_AGREE, (name, fingerprint))
            cursor = await connection.execute("SELECT fingerprint FROM agreed WHERE name = %s", (name,))
            return await cursor.fetchone() == (fingerprint,)

        return await self._connections.run(compare)


@asynccontextmanager
async def open_postgres(
    address: PostgresAddress, most_connections: int, patience: float = 0.0
) -> AsyncIterator[PostgresDatabase]:
    """Open a database that has this version's schema; while its chores run, one connection beyond ``most_connections``
    listens.

    Waits up to ``patience`` seconds for a database that is not up yet. Raises StoreUnavailable.
    """
    await _check(address, asyncio.get_running_loop().time() + patience)
    connections, watching = Connections(address, most_connections), Watching()
    news = News(address, connections, watching)
    await connections.open()
    try:
        yield PostgresDatabase(connections, watching, news)
    finally:
        await connections.close()


async def _check(address: PostgresAddress, until: float) -> None:
    warned = False
    while True:
        try:
            async with await AsyncConnection.connect(autocommit=True, **address.parameters()) as connection:
                await check_schema(address, connection)
                return
        except psycopg.Error as error:
            reason = reason_of(error)
            if asyncio.get_running_loop().time() + 1 > until:
                raise StoreUnavailable(f"{address} cannot be used: {reason}") from error
            if not warned:
                log.warning("waiting for %s: %s", address, reason)
                warned = True
        await asyncio.sleep(1)
