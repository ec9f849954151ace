"""The outbox as rows of PostgreSQL: of several servers one keeps a message, and one at a time sends it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from bootgrant.ports.notifications import Outgoing, Topic
from bootgrant.store.postgres.connections import Connection, Connections

_NOTE: Final = (
    "INSERT INTO notified (target, grant_id, at) SELECT %s, id, %s FROM unnest(%s::text[]) AS id ORDER BY id "
    "ON CONFLICT DO NOTHING RETURNING grant_id"
)
_KEEP: Final = (
    "INSERT INTO outbox (message_id, target, grant_ids, created_at, next_at, attempts, topic) "
    "VALUES (%s, %s, %s, %s, %s, 0, %s)"
)
_TAKE: Final = (
    "UPDATE outbox SET next_at = %s, attempts = attempts + 1 WHERE message_id IN ("
    "SELECT message_id FROM outbox WHERE next_at <= %s AND target = ANY(%s) ORDER BY next_at LIMIT %s "
    "FOR UPDATE SKIP LOCKED) RETURNING message_id, target, grant_ids, created_at, attempts, topic"
)


class PostgresOutbox:
    """ports.notifications.Outbox."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def enqueue(self, message: Outgoing) -> int:
        # Repeating this after a broken connection is harmless: the second run finds what the first one kept.
        async def keep(connection: Connection) -> int:
            at = message.created_at
            async with connection.transaction():
                new = set(message.grant_ids)
                if message.topic is Topic.WAITING:
                    noted = await connection.execute(_NOTE, (message.target, at, list(message.grant_ids)))
                    new = {row[0] for row in await noted.fetchall()}
                if new:
                    ids = json.dumps([grant_id for grant_id in message.grant_ids if grant_id in new])
                    row = (message.message_id, message.target, ids, at, at, message.topic.value)
                    await connection.execute(_KEEP, row)
            return len(new)

        return await self._connections.run(keep)

    async def take(self, targets: Sequence[str], now: float, until: float, limit: int) -> Sequence[Outgoing]:
        rows = await self._connections.fetch(_TAKE, (until, now, list(targets), limit))
        return [Outgoing(row[0], row[1], tuple(json.loads(row[2])), row[3], row[4], Topic(row[5])) for row in rows]

    async def postpone(self, message_id: str, at: float) -> None:
        await self._connections.execute("UPDATE outbox SET next_at = %s WHERE message_id = %s", (at, message_id))

    async def done(self, message_id: str) -> None:
        await self._connections.execute("DELETE FROM outbox WHERE message_id = %s", (message_id,))

    async def forget(self, before: float) -> None:
        await self._connections.execute("DELETE FROM notified WHERE at < %s", (before,))
        await self._connections.execute("DELETE FROM outbox WHERE created_at < %s", (before,))
