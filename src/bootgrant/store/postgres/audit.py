"""The audit as rows of PostgreSQL. Whoever appends holds the row of the chain's end, so all servers make one chain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import Any, Final

from bootgrant.approval.audit import AuditEvent, ChainedEvent, Head, chain
from bootgrant.ports.audit import AuditFilter
from bootgrant.store.decision_rows import AUDIT, PAGE, audit_condition, audit_record, audit_row
from bootgrant.store.postgres.connections import Connection, Connections, transaction
from bootgrant.store.postgres.texts import kept

_INSERT: Final = f"INSERT INTO audit ({', '.join(AUDIT)}) VALUES (%s{', %s' * (len(AUDIT) - 1)})"  # noqa: S608  (names)
_HEAD: Final = "SELECT seq, digest FROM audit_head WHERE id = 1"
_MOVE: Final = "UPDATE audit_head SET seq = %s, digest = %s WHERE id = 1"
_PAGE: Final = "SELECT line, digest, seq FROM audit WHERE seq >= %s ORDER BY seq LIMIT %s"
_OWN: Final = len(AUDIT) - 2
"""The columns behind these are ASCII of our own."""


async def append_events(connection: Connection, events: Iterable[AuditEvent]) -> Head:
    """Append inside the transaction that is under way; the new end of the chain.

    It is the last thing a transaction locks, so nobody waits in a circle.
    """
    cursor = await connection.execute(f"{_HEAD} FOR UPDATE")
    head = Head(*(await cursor.fetchone() or ()))
    records = list(chain(events, head))
    if not records:
        return head
    rows = [(*map(kept, row[:_OWN]), *row[_OWN:]) for row in map(audit_row, records)]
    await connection.cursor().executemany(_INSERT, rows)
    last = Head(records[-1].seq, records[-1].digest)
    await connection.execute(_MOVE, (last.seq, last.digest))
    return last


class PostgresAuditLog:
    """ports.audit.AuditLog on a database that other servers use too."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def append(self, events: Sequence[AuditEvent]) -> Head:
        async def work(connection: Connection) -> Head:
            async with transaction(connection):
                return await append_events(connection, events)

        # A second try could write them twice.
        return await self._connections.run(work, look_first=True)

    async def head(self) -> Head:
        return Head(*(await self._read(_HEAD, ()))[0])

    async def newest(self, which: AuditFilter, limit: int, before: int | None = None) -> Sequence[ChainedEvent]:
        where, values = audit_condition(which, before, "%s", ' COLLATE "C"')
        statement = f"SELECT line, digest FROM audit WHERE {where} ORDER BY seq DESC LIMIT %s"  # noqa: S608  (no texts)
        rows = await self._read(statement, (*map(kept, values), limit))
        return [audit_record(*row) for row in rows]

    async def from_oldest(self, first: int = 1) -> AsyncIterator[Sequence[tuple[str, str]]]:
        while rows := await self._read(_PAGE, (first, PAGE)):
            yield [(line, digest) for line, digest, _ in rows]
            first = rows[-1][2] + 1

    async def drop_sealed(self, through: int, seal: AuditEvent) -> Head:
        async def work(connection: Connection) -> Head:
            async with transaction(connection):
                head = await append_events(connection, [seal])
                await connection.execute("DELETE FROM audit WHERE seq <= %s", (through,))
                return head

        return await self._connections.run(work, look_first=True)

    async def _read(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        return await self._connections.run(partial(rows_of, statement, values))


async def rows_of(statement: str, values: tuple[object, ...], connection: Connection) -> list[tuple[Any, ...]]:
    """All rows of one SELECT."""
    return await (await connection.execute(statement, values)).fetchall()
