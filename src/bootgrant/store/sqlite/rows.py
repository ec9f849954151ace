"""store.rows.Rows on one SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bootgrant.store.rows import AuditOfRow, Row, Statement, Value
from bootgrant.store.sqlite.audit import append_events
from bootgrant.store.sqlite.file import SqliteFile


class SqliteRows:
    """store.rows.Rows."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def read(self, statement: str, *values: Value) -> Sequence[Row]:
        return self._file.read(statement, values)

    async def write(self, *statements: Statement, audit: AuditOfRow | None = None) -> Sequence[Row]:
        def work(connection: sqlite3.Connection) -> Sequence[Row]:
            answers = [connection.execute(*statement).fetchall() for statement in statements]
            if audit is not None:
                append_events(connection, map(audit, answers[0]))
            return answers[0]

        return await self._file.write(work)
