"""The audit log as rows of SQLite. The end of the chain is read in the transaction that appends to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

from bootgrant.approval.audit import AuditEvent, Head, chain
from bootgrant.approval.epoch import TAKES_AWAY
from bootgrant.store.audit_rows import AUDIT, AuditReader, audit_row
from bootgrant.store.delivery_rows import PUT_DELIVERY, delivery_rows
from bootgrant.store.rows import insert_into
from bootgrant.store.sqlite.file import NotingConnection, SqliteFile

_INSERT: Final = insert_into("audit", AUDIT)
_HEAD: Final = "SELECT seq, digest FROM audit ORDER BY seq DESC LIMIT 1"


def append_events(connection: sqlite3.Connection, events: Iterable[AuditEvent]) -> Head:
    """Append inside the current transaction, and store deliveries as the last ones of their entries; return the new end
    of the chain."""
    row = connection.execute(_HEAD).fetchone()
    head = Head(*row) if row else Head()
    records = list(chain(events, head))
    connection.executemany(_INSERT, map(audit_row, records))
    if deliveries := delivery_rows(records):
        connection.executemany(PUT_DELIVERY, deliveries)
    if isinstance(connection, NotingConnection) and any(record.event.kind in TAKES_AWAY for record in records):
        connection.took_away = True
    return Head(records[-1].seq, records[-1].digest) if records else head


class SqliteAuditLog(AuditReader):
    """ports.audit.AuditLog."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def read(self, statement: str, *values: object) -> Sequence[tuple[Any, ...]]:
        return self._file.read(statement, values)

    async def head(self) -> Head:
        rows = self._file.read(_HEAD)
        return Head(*rows[0]) if rows else Head()

    async def append(self, events: Sequence[AuditEvent]) -> Head:
        return await self._file.write(lambda connection: append_events(connection, events))

    async def drop_sealed(self, through: int, seal: AuditEvent) -> Head:
        def drop(connection: sqlite3.Connection) -> Head:
            head = append_events(connection, [seal])
            connection.execute("DELETE FROM audit WHERE seq <= ?", (through,))
            return head

        return await self._file.write(drop)
