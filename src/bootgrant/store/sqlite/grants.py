"""Grants as rows of SQLite: the journal behind the grants in memory (store/grant_book.py)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, Final

from bootgrant.approval.grant import Delivery, DeviceGrant, GrantState
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.grant_book import Batch
from bootgrant.store.grant_index import DENIAL_KEPT, UNASKED
from bootgrant.store.grant_rows import CHANGING, COLUMNS, FIXED, from_row, to_fixed_values, to_row
from bootgrant.store.sqlite.audit import append_events
from bootgrant.store.sqlite.writer import Writer

_NAMES: Final = ", ".join(COLUMNS)
_SELECT: Final = f"SELECT {_NAMES} FROM grants"  # noqa: S608  (names of columns)
# What a new grant does not have yet stands here and need not be handed over for each.
_OPEN: Final = (
    f"INSERT INTO grants ({', '.join(FIXED)}, state, entry, token_expires_at, deliveries) "  # noqa: S608  (names of columns)
    f"VALUES ({', '.join('?' * len(FIXED))}, '{GrantState.PENDING}', '', 0, 0)"
)
_UPSERT: Final = (
    f"INSERT INTO grants ({_NAMES}) VALUES (?{', ?' * (len(COLUMNS) - 1)}) "  # noqa: S608  (names of columns)
    f"ON CONFLICT (grant_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in CHANGING)}"
)
_DELIVERY: Final = "INSERT INTO deliveries (grant_id, at, address, sha256, size) VALUES (?, ?, ?, ?, ?)"
_COLLECT: Final = (
    "DELETE FROM grants WHERE grant_id IN ("
    "SELECT grant_id FROM grants WHERE token_digest IS NULL AND expires_at < ? "
    "UNION ALL SELECT grant_id FROM grants WHERE token_digest IS NOT NULL AND token_expires_at < ? LIMIT ?) "
    "RETURNING grant_id"
)


class SqliteJournal:
    """store.grant_book.Journal on one SQLite file."""

    def __init__(self, writer: Writer, reader: sqlite3.Connection) -> None:
        self._writer = writer
        self._reader = reader

    async def write(self, batch: Batch) -> None:
        def upsert(connection: sqlite3.Connection) -> None:
            connection.executemany(_OPEN, map(to_fixed_values, batch.opened.values()))
            if batch.grants:
                connection.executemany(_UPSERT, map(to_row, batch.grants.values()))
            if batch.deliveries:
                connection.executemany(_DELIVERY, map(_delivery_row, batch.deliveries))
            if batch.events:
                append_events(connection, batch.events)

        await self._writer.run(upsert)

    def live_grants(self, now: float) -> Iterator[DeviceGrant]:
        """Every grant that somebody may still ask about: none that is over for long."""
        since = now - UNASKED
        rows = self._read(
            f"{_SELECT} WHERE token_digest IS NULL AND expires_at > ? "
            f"UNION ALL {_SELECT} WHERE token_digest IS NOT NULL AND token_expires_at > ? "
            f"UNION ALL {_SELECT} WHERE state = 'denied' AND expires_at <= ? AND decided_at > ?",
            (since, since, since, since - DENIAL_KEPT),
        )
        return map(from_row, rows)

    async def read_grant(self, grant_id: str) -> DeviceGrant | None:
        rows = self._read(f"{_SELECT} WHERE grant_id = ?", (grant_id,))
        return from_row(rows[0]) if rows else None

    async def read_deliveries(self, grant_id: str) -> Sequence[Delivery]:
        rows = self._read(
            "SELECT at, address, sha256, size FROM deliveries WHERE grant_id = ? ORDER BY at", (grant_id,)
        )
        return [Delivery(*row) for row in rows]

    async def collect(self, unfetched_before: float, fetched_before: float, limit: int) -> Sequence[str]:
        values = (unfetched_before, fetched_before, limit)
        return await self._writer.run(lambda connection: [row[0] for row in connection.execute(_COLLECT, values)])

    async def check_writable(self) -> None:
        await self._writer.run(lambda connection: connection.execute("UPDATE write_check SET checked = checked + 1"))

    def _read(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._reader.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the database cannot be read ({error})") from error


def _delivery_row(kept: tuple[str, Delivery]) -> tuple[object, ...]:
    grant_id, delivery = kept
    return (grant_id, delivery.at, delivery.address, delivery.sha256, delivery.size)
