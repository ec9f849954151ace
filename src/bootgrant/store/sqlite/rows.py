"""store.people.rows.Rows on the SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.people.rows import Row, Statement, Value
from bootgrant.store.sqlite.writer import Writer


class SqliteRows:
    """Writes go through the one writer; reads are done at once."""

    def __init__(self, writer: Writer, reader: sqlite3.Connection) -> None:
        self._writer = writer
        self._reader = reader

    async def read(self, statement: str, *values: Value) -> Sequence[Row]:
        try:
            return self._reader.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the database cannot be read ({error})") from error

    async def write(self, *statements: Statement) -> Sequence[Row]:
        def work(connection: sqlite3.Connection) -> Sequence[Row]:
            answers = [connection.execute(*statement).fetchall() for statement in statements]
            return answers[0]

        return await self._writer.run(work)
