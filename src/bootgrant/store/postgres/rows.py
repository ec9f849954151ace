"""store.rows.Rows on PostgreSQL, and how texts are stored there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from bootgrant.store.postgres.connections import Connection, Connections, transaction
from bootgrant.store.rows import Row, Statement, Value

T = TypeVar("T")


class PostgresRows:
    """A write whose answer matters (RETURNING) is never made twice: a broken connection raises OutcomeUnknown."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def read(self, statement: str, *values: Value) -> Sequence[Row]:
        return await self._connections.run(lambda connection: _run(connection, statement, values))

    async def write(self, *statements: Statement) -> Sequence[Row]:
        async def work(connection: Connection) -> Sequence[Row]:
            async with transaction(connection):
                answers = [await _run(connection, *statement) for statement in statements]
                return answers[0]

        return await self._connections.run(work, look_first="RETURNING" in statements[0][0])


async def _run(connection: Connection, statement: str, values: tuple[Value, ...]) -> Sequence[Row]:
    cursor = await connection.execute(marked(statement), tuple(escaped(value) for value in values))
    # In a pipeline the cursor does not know yet whether there are rows to fetch.
    rows = await cursor.fetchall() if statement.startswith("SELECT") or "RETURNING" in statement else []
    return [tuple(unescaped(value) for value in row) for row in rows]


def marked(statement: str) -> str:
    """Return a statement with psycopg's mark for each value, instead of ``?``."""
    return statement.replace("?", "%s")


def escaped(value: T) -> T | str:
    """Return a value as it is stored. PostgreSQL's texts cannot contain NUL, which a machine may claim, so texts with a
    NUL or a backslash are escaped."""
    if isinstance(value, str) and ("\0" in value or "\\" in value):
        return value.replace("\\", "\\\\").replace("\0", "\\0")
    return value


def unescaped(value: T) -> T | str:
    """Return the value that ``escaped`` was given."""
    if isinstance(value, str) and "\\" in value:
        return "\\".join(part.replace("\\0", "\0") for part in value.split("\\\\"))
    return value
