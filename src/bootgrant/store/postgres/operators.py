"""Operators and their sessions as rows of PostgreSQL. A session of one server is good on every other."""

from __future__ import annotations

from functools import partial
from typing import Any

from bootgrant.ports.operator_store import Operator, Session
from bootgrant.store.postgres.connections import Connection, Connections, transaction
from bootgrant.store.postgres.texts import found, kept

_PUT = (
    "INSERT INTO operators (name, password_hash, created_at) VALUES (%s, %s, %s) ON CONFLICT (name) DO UPDATE "
    "SET password_hash = excluded.password_hash, created_at = excluded.created_at"
)
_OPEN = (
    "INSERT INTO sessions (digest, operator, created_at, seen_at) VALUES (%s, %s, %s, %s) "
    "ON CONFLICT (digest) DO NOTHING"
)


class PostgresOperatorStore:
    """ports.operator_store.OperatorStore on a database that other servers use too."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def put_operator(self, operator: Operator) -> None:
        name = kept(operator.name)

        async def put(connection: Connection) -> None:
            async with transaction(connection):
                await connection.execute(_PUT, (name, operator.password_hash, operator.created_at))
                await connection.execute("DELETE FROM sessions WHERE operator = %s", (name,))

        await self._connections.run(put)

    async def find_operator(self, name: str) -> Operator | None:
        row = await self._read_one(
            "SELECT name, password_hash, created_at FROM operators WHERE name = %s", (kept(name),)
        )
        return Operator(str(found(row[0])), *row[1:]) if row else None

    async def open_session(self, session: Session) -> None:
        await self._write(_OPEN, (session.digest, kept(session.operator), session.created_at, session.seen_at))

    async def find_session(self, digest: bytes) -> Session | None:
        row = await self._read_one(
            "SELECT digest, operator, created_at, seen_at FROM sessions WHERE digest = %s", (digest,)
        )
        return Session(row[0], str(found(row[1])), *row[2:]) if row else None

    async def touch_session(self, digest: bytes, seen_at: float) -> None:
        await self._write("UPDATE sessions SET seen_at = %s WHERE digest = %s", (seen_at, digest))

    async def end_session(self, digest: bytes) -> None:
        await self._write("DELETE FROM sessions WHERE digest = %s", (digest,))

    async def end_sessions_before(self, created_at: float, seen_at: float) -> None:
        await self._write("DELETE FROM sessions WHERE created_at < %s OR seen_at < %s", (created_at, seen_at))

    async def _write(self, statement: str, values: tuple[object, ...]) -> None:
        await self._connections.run(lambda connection: connection.execute(statement, values))

    async def _read_one(self, statement: str, values: tuple[object, ...]) -> tuple[Any, ...] | None:
        return await self._connections.run(partial(_one, statement, values))


async def _one(statement: str, values: tuple[object, ...], connection: Connection) -> tuple[Any, ...] | None:
    return await (await connection.execute(statement, values)).fetchone()
