"""The audit log as rows of PostgreSQL. Appending locks the row of the chain's end, so all servers write one chain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Final

from bootgrant.approval.audit import AuditEvent, Head, chain
from bootgrant.approval.epoch import TAKES_AWAY
from bootgrant.store.audit_rows import AUDIT, AuditReader, audit_row
from bootgrant.store.delivery_rows import PUT_DELIVERY, delivery_rows
from bootgrant.store.postgres.connections import Connection, Connections, NotingConnection, transaction
from bootgrant.store.postgres.rows import escaped, marked
from bootgrant.store.rows import insert_into

_INSERT: Final = insert_into("audit", AUDIT, "%s")
_DELIVERED: Final = marked(PUT_DELIVERY)
_HEAD: Final = "SELECT seq, digest FROM audit_head WHERE id = 1"
_MOVE: Final = "UPDATE audit_head SET seq = %s, digest = %s WHERE id = 1"
_OWN: Final = len(AUDIT) - 2
"""From this column on (line, digest) the values are our own ASCII, stored as they are."""


async def append_events(connection: Connection, events: Iterable[AuditEvent]) -> Head:
    """Append inside the current transaction, and store deliveries as the last ones of their entries; return the new end
    of the chain.

    This must be the last lock that a transaction takes, or servers could wait for each other in a circle. The rows of
    deliveries are only locked by a transaction that holds it.
    """
    cursor = await connection.execute(f"{_HEAD} FOR UPDATE")
    head = Head(*(await cursor.fetchone() or ()))
    records = list(chain(events, head))
    if not records:
        return head
    rows = [(*map(escaped, row[:_OWN]), *row[_OWN:]) for row in map(audit_row, records)]
    await connection.cursor().executemany(_INSERT, rows)
    if deliveries := delivery_rows(records):
        await connection.cursor().executemany(_DELIVERED, [tuple(map(escaped, row)) for row in deliveries])
    last = Head(records[-1].seq, records[-1].digest)
    await connection.execute(_MOVE, (last.seq, last.digest))
    if isinstance(connection, NotingConnection) and any(record.event.kind in TAKES_AWAY for record in records):
        connection.took_away = True
    return last


class PostgresAuditLog(AuditReader):
    """ports.audit.AuditLog."""

    collation: ClassVar[str] = ' COLLATE "C"'

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def read(self, statement: str, *values: object) -> Sequence[tuple[Any, ...]]:
        return await self._connections.fetch(marked(statement), [escaped(value) for value in values])

    async def head(self) -> Head:
        [row] = await self._connections.fetch(_HEAD)
        return Head(*row)

    async def append(self, events: Sequence[AuditEvent]) -> Head:
        async def work(connection: Connection) -> Head:
            async with transaction(connection):
                return await append_events(connection, events)

        # A second try could append them twice.
        return await self._connections.run(work, look_first=True)

    async def drop_sealed(self, through: int, seal: AuditEvent) -> Head:
        async def work(connection: Connection) -> Head:
            async with transaction(connection):
                head = await append_events(connection, [seal])
                await connection.execute("DELETE FROM audit WHERE seq <= %s", (through,))
                return head

        return await self._connections.run(work, look_first=True)
