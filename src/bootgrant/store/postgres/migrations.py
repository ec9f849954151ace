"""Migrating the PostgreSQL database. Servers only check the schema; ``bootgrant migrate`` changes it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import errors

from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.migrations import APPLIED, MARK, RECORD, missing_migrations
from bootgrant.store.postgres.connections import Connection, PostgresAddress, reason_of
from bootgrant.store.postgres.rows import marked
from bootgrant.store.rows import Row

# The lock is a row, and the table is the one that earlier versions lock: an advisory lock means nothing to CockroachDB.
_LOCKS: Final = (
    "CREATE TABLE IF NOT EXISTS yoyo_lock (locked INT DEFAULT 1 PRIMARY KEY, ctime TIMESTAMP, pid INT NOT NULL)"
)
_LOCK: Final = "INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, CURRENT_TIMESTAMP, %s)"
_UNLOCK: Final = "DELETE FROM yoyo_lock"


def migrate(
    address: PostgresAddress, *, break_lock: bool = False, forget: str = "", lock_seconds: float = 20.0
) -> list[str]:
    """Bring the database to this version's schema; return the names of the applied migrations.

    ``break_lock`` removes the lock of a killed migration. ``forget`` names what the servers must agree on again
    (PostgresDatabase.agrees). Waits up to ``lock_seconds`` for another migration. Raises StoreUnavailable when the
    database cannot be used, stays locked, or was migrated by a newer bootgrant.
    """
    try:
        with psycopg.connect(autocommit=True, **address.parameters()) as connection:
            connection.execute(RECORD)
            connection.execute(_LOCKS)
            if break_lock:
                connection.execute(_UNLOCK)
            with _locked(connection, address, lock_seconds):
                applied = {row[0] for row in connection.execute(APPLIED)}
                missing = missing_migrations("postgres", applied, str(address))
                for migration in missing:
                    with connection.transaction():
                        connection.execute(migration.sql)
                        connection.execute(marked(MARK), migration.mark)
                connection.execute("DELETE FROM agreed WHERE name = %s", (forget,))
                return [migration.name for migration in missing]
    except psycopg.Error as error:
        raise StoreUnavailable(f"{address} cannot be migrated: {reason_of(error)}") from error


@contextmanager
def _locked(connection: psycopg.Connection[Row], address: PostgresAddress, seconds: float) -> Iterator[None]:
    until = time.monotonic() + seconds
    while True:
        try:
            connection.execute(_LOCK, (os.getpid(),))
            break
        except errors.UniqueViolation:
            if time.monotonic() > until:
                raise StoreUnavailable(
                    f"{address} is being migrated by another process: wait for it, or, if it was killed, run "
                    "`bootgrant migrate --break-lock`"
                ) from None
        time.sleep(0.1)
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute(_UNLOCK)


async def check_schema(address: PostgresAddress, connection: Connection) -> None:
    """Raise StoreUnavailable, with what to do, if the schema is not the one of this version."""
    try:
        cursor = await connection.execute(APPLIED)
        applied = {row[0] for row in await cursor.fetchall()}
    except errors.UndefinedTable:
        applied = set()
    if missing := missing_migrations("postgres", applied, str(address)):
        names = ", ".join(migration.name for migration in missing)
        raise StoreUnavailable(f"{address} lacks {names}: run `bootgrant migrate` once, then start again")
