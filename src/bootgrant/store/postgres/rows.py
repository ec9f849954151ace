"""store.people.rows.Rows on a database that other servers use too. A session of one server is good on every other."""

from __future__ import annotations

from collections.abc import Sequence

from bootgrant.store.people.rows import Row, Statement, Value
from bootgrant.store.postgres.connections import Connection, Connections, transaction
from bootgrant.store.postgres.texts import found, kept


class PostgresRows:
    """A write whose answer matters is not made twice: where it is not known, OutcomeUnknown says so."""

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
    text = statement.replace("?", "%s").encode()
    cursor = await connection.execute(text, tuple(kept(value) for value in values))
    # In a pipeline the cursor does not know yet whether there is something to fetch.
    rows = await cursor.fetchall() if statement.startswith("SELECT") or "RETURNING" in statement else []
    return [tuple(found(value) for value in row) for row in rows]
