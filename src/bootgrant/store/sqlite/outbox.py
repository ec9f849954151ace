"""The outbox as rows of SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from bootgrant.ports.notifications import Outgoing, Topic
from bootgrant.store.sqlite.file import SqliteFile

_NOTE: Final = "INSERT OR IGNORE INTO notified (target, grant_id, at) VALUES (?, ?, ?)"
_KEEP: Final = (
    "INSERT INTO outbox (message_id, target, grant_ids, created_at, next_at, attempts, topic) "
    "VALUES (?, ?, ?, ?, ?, 0, ?)"
)
_DUE: Final = (
    "SELECT message_id FROM outbox WHERE next_at <= ? AND target IN (SELECT value FROM json_each(?)) "
    "ORDER BY next_at LIMIT ?"
)
_TAKE: Final = (
    f"UPDATE outbox SET next_at = ?, attempts = attempts + 1 WHERE message_id IN ({_DUE}) "
    "RETURNING message_id, target, grant_ids, created_at, attempts, topic"
)


class SqliteOutbox:
    """ports.notifications.Outbox."""

    def __init__(self, file: SqliteFile) -> None:
        self._file = file

    async def enqueue(self, message: Outgoing) -> int:
        def keep(connection: sqlite3.Connection) -> int:
            at = message.created_at
            new = [
                grant_id
                for grant_id in message.grant_ids
                if message.topic is not Topic.WAITING
                or connection.execute(_NOTE, (message.target, grant_id, at)).rowcount
            ]
            if new:
                row = (message.message_id, message.target, json.dumps(new), at, at, message.topic.value)
                connection.execute(_KEEP, row)
            return len(new)

        return await self._file.write(keep)

    async def take(self, targets: Sequence[str], now: float, until: float, limit: int) -> Sequence[Outgoing]:
        due = (now, json.dumps(list(targets)), limit)
        # Read first, so that an empty outbox costs no write.
        if not self._file.read(_DUE, due):
            return []
        rows = await self._file.write(lambda connection: connection.execute(_TAKE, (until, *due)).fetchall())
        return [Outgoing(row[0], row[1], tuple(json.loads(row[2])), row[3], row[4], Topic(row[5])) for row in rows]

    async def postpone(self, message_id: str, at: float) -> None:
        await self._write("UPDATE outbox SET next_at = ? WHERE message_id = ?", (at, message_id))

    async def done(self, message_id: str) -> None:
        await self._write("DELETE FROM outbox WHERE message_id = ?", (message_id,))

    async def forget(self, before: float) -> None:
        await self._write("DELETE FROM notified WHERE at < ?", (before,))
        await self._write("DELETE FROM outbox WHERE created_at < ?", (before,))

    async def _write(self, statement: str, values: tuple[object, ...]) -> None:
        await self._file.write(lambda connection: connection.execute(statement, values))
