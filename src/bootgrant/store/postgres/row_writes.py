"""store.rows.Rows on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence

from bootgrant.store.postgres.audit import append_events
from bootgrant.store.postgres.connections import Connection, Connections, transaction
from bootgrant.store.postgres.rows import escaped, marked, unescaped
from bootgrant.store.rows import AuditOfRow, Row, Statement, Value


class PostgresRows:
    """A write whose answer matters (RETURNING) is never made twice: a broken connection raises OutcomeUnknown."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def read(self, statement: str, *values: Value) -> Sequence[Row]:
        return await self._connections.run(lambda connection: _run(connection, statement, values))

    async def write(self, *statements: Statement, audit: AuditOfRow | None = None) -> Sequence[Row]:
        async def work(connection: Connection) -> Sequence[Row]:
            async with transaction(connection):
                answers = [await _run(connection, *statement) for statement in statements]
                if audit is not None:
                    await append_events(connection, map(audit, answers[0]))
                return answers[0]

        return await self._connections.run(work, look_first="RETURNING" in statements[0][0] or audit is not None)


async def _run(connection: Connection, statement: str, values: tuple[Value, ...]) -> Sequence[Row]:
    cursor = await connection.execute(marked(statement), tuple(escaped(value) for value in values))
    # In a pipeline the cursor does not know yet whether there are rows to fetch.
    rows = await cursor.fetchall() if statement.startswith("SELECT") or "RETURNING" in statement else []
    return [tuple(unescaped(value) for value in row) for row in rows]
