"""The audit as rows of SQLite. The end of the chain is read in the transaction that appends to it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Final

from bootgrant.approval.audit import AuditEvent, ChainedEvent, Head, chain
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.decision_rows import AUDIT, PAGE, audit_condition, audit_record, audit_row
from bootgrant.store.sqlite.writer import Writer

_INSERT: Final = f"INSERT INTO audit ({', '.join(AUDIT)}) VALUES (?{', ?' * (len(AUDIT) - 1)})"  # noqa: S608  (names)
_HEAD: Final = "SELECT seq, digest FROM audit ORDER BY seq DESC LIMIT 1"
_PAGE: Final = "SELECT line, digest, seq FROM audit WHERE seq >= ? ORDER BY seq LIMIT ?"


def append_events(connection: sqlite3.Connection, events: Iterable[AuditEvent]) -> Head:
    """Append inside the transaction that is under way; the new end of the chain."""
    head = _head(connection)
    records = list(chain(events, head))
    connection.executemany(_INSERT, map(audit_row, records))
    return Head(records[-1].seq, records[-1].digest) if records else head


def _head(connection: sqlite3.Connection) -> Head:
    row = connection.execute(_HEAD).fetchone()
    return Head(*row) if row else Head()


class SqliteAuditReader:
    """The reading half of ports.audit.AuditLog, on a connection of its own."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self._reader = reader

    async def head(self) -> Head:
        rows = self._read(_HEAD, ())
        return Head(*rows[0]) if rows else Head()

    async def newest(self, which: AuditFilter, limit: int, before: int | None = None) -> Sequence[ChainedEvent]:
        where, values = audit_condition(which, before, "?")
        statement = f"SELECT line, digest FROM audit WHERE {where} ORDER BY seq DESC LIMIT ?"  # noqa: S608  (no texts)
        return [audit_record(*row) for row in self._read(statement, (*values, limit))]

    async def from_oldest(self, first: int = 1) -> AsyncIterator[Sequence[tuple[str, str]]]:
        while rows := self._read(_PAGE, (first, PAGE)):
            yield [(line, digest) for line, digest, _ in rows]
            first = rows[-1][2] + 1

    def _read(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._reader.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the database cannot be read ({error})") from error


class SqliteAuditLog(SqliteAuditReader):
    """ports.audit.AuditLog on one SQLite file."""

    def __init__(self, writer: Writer, reader: sqlite3.Connection) -> None:
        super().__init__(reader)
        self._writer = writer

    async def append(self, events: Sequence[AuditEvent]) -> Head:
        return await self._writer.run(lambda connection: append_events(connection, events))

    async def drop_sealed(self, through: int, seal: AuditEvent) -> Head:
        def drop(connection: sqlite3.Connection) -> Head:
            head = append_events(connection, [seal])
            connection.execute("DELETE FROM audit WHERE seq <= ?", (through,))
            return head

        return await self._writer.run(drop)
