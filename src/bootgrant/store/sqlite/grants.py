"""Grants as rows of SQLite: the journal of the grants in memory (store/grant_book.py)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from bootgrant.approval.grant import Delivery, DeviceGrant
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.grants import DECISION_KEPT
from bootgrant.store.grant_book import Batch
from bootgrant.store.grant_index import DENIAL_KEPT, ENDED_KEPT, forgotten_at
from bootgrant.store.grant_rows import CHANGING, COLUMNS, DELIVERY, FIXED, from_row, to_fixed_values, to_row
from bootgrant.store.rows import insert_into, listed
from bootgrant.store.sqlite.audit import append_events
from bootgrant.store.sqlite.file import SqliteFile

_SELECT: Final = f"SELECT {listed(COLUMNS)} FROM grants"
# The columns that a new grant leaves empty are constants here, so that they need not be passed for each grant.
_OPEN: Final = (
    f"INSERT INTO grants ({listed(FIXED)}, state, entry, token_expires_at, deliveries) "
    f"VALUES ({', '.join('?' * len(FIXED))}, '{GrantState.PENDING}', '', 0, 0)"
)
_UPSERT: Final = (
    f"{insert_into('grants', COLUMNS)} "
    f"ON CONFLICT (grant_id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in CHANGING)}"
)
_DECIDED_KEPT: Final = max(DENIAL_KEPT, DECISION_KEPT)
_DELIVERY: Final = insert_into("deliveries", DELIVERY)
_COLLECT: Final = (
    "DELETE FROM grants WHERE grant_id IN ("
    "SELECT grant_id FROM grants WHERE token_digest IS NULL AND expires_at < ? "
    "UNION ALL SELECT grant_id FROM grants WHERE token_digest IS NOT NULL AND token_expires_at < ? LIMIT ?) "
    "RETURNING grant_id"
)


class SqliteJournal:
    """store.grant_book.Journal."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def write(self, batch: Batch) -> None:
        def upsert(connection: sqlite3.Connection) -> None:
            connection.executemany(_OPEN, map(to_fixed_values, batch.opened.values()))
            if batch.grants:
                connection.executemany(_UPSERT, map(to_row, batch.grants.values()))
            if batch.deliveries:
                connection.executemany(_DELIVERY, map(_delivery_row, batch.deliveries))
            if batch.events:
                append_events(connection, batch.events)

        await self._file.write(upsert)

    def live_grants(self, now: float) -> Iterator[DeviceGrant]:
        """Return every grant that machines or people may still ask for."""
        since = now - ENDED_KEPT
        rows = self._file.read(
            f"{_SELECT} WHERE token_digest IS NULL AND expires_at > ? "
            f"UNION ALL {_SELECT} WHERE token_digest IS NOT NULL AND token_expires_at > ? "
            f"UNION ALL {_SELECT} WHERE expires_at <= ? AND (token_digest IS NULL OR token_expires_at <= ?) "
            "AND (decided_at > ? OR state = 'pending' AND approval IS NOT NULL)",
            (since, since, since, since, since - _DECIDED_KEPT),
        )
        return (grant for grant in map(from_row, rows) if forgotten_at(grant) > now)

    async def read_grant(self, grant_id: str) -> DeviceGrant | None:
        rows = self._file.read(f"{_SELECT} WHERE grant_id = ?", (grant_id,))
        return from_row(rows[0]) if rows else None

    async def read_deliveries(self, grant_id: str) -> Sequence[Delivery]:
        statement = "SELECT at, address, sha256, size FROM deliveries WHERE grant_id = ? ORDER BY at"
        return [Delivery(*row) for row in self._file.read(statement, (grant_id,))]

    async def collect(self, unfetched_before: float, fetched_before: float, limit: int) -> Sequence[str]:
        values = (unfetched_before, fetched_before, limit)
        return await self._file.write(lambda connection: [row[0] for row in connection.execute(_COLLECT, values)])

    async def check_writable(self) -> None:
        await self._file.write(lambda connection: connection.execute("UPDATE write_check SET checked = checked + 1"))


def _delivery_row(kept: tuple[str, Delivery]) -> tuple[object, ...]:
    grant_id, delivery = kept
    return (grant_id, delivery.at, delivery.address, delivery.sha256, delivery.size)
