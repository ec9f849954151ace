"""Operators and their sessions as rows of SQLite."""

from __future__ import annotations

import sqlite3
from typing import Any

from bootgrant.ports.grant_store import StoreUnavailable
from bootgrant.ports.operator_store import Operator, Session
from bootgrant.store.sqlite.writer import Writer


class SqliteOperatorStore:
    """ports.operator_store.OperatorStore on one SQLite file."""

    def __init__(self, writer: Writer, reader: sqlite3.Connection) -> None:
        self._writer = writer
        self._reader = reader

    async def put_operator(self, operator: Operator) -> None:
        # REPLACE deletes the old row, and the sessions go with it.
        await self._write(
            "INSERT OR REPLACE INTO operators (name, password_hash, created_at) VALUES (?, ?, ?)",
            (operator.name, operator.password_hash, operator.created_at),
        )

    async def find_operator(self, name: str) -> Operator | None:
        row = self._read_one("SELECT name, password_hash, created_at FROM operators WHERE name = ?", (name,))
        return Operator(*row) if row else None

    async def open_session(self, session: Session) -> None:
        await self._write(
            "INSERT INTO sessions (digest, operator, created_at, seen_at) VALUES (?, ?, ?, ?)",
            (session.digest, session.operator, session.created_at, session.seen_at),
        )

    async def find_session(self, digest: bytes) -> Session | None:
        row = self._read_one("SELECT digest, operator, created_at, seen_at FROM sessions WHERE digest = ?", (digest,))
        return Session(*row) if row else None

    async def touch_session(self, digest: bytes, seen_at: float) -> None:
        await self._write("UPDATE sessions SET seen_at = ? WHERE digest = ?", (seen_at, digest))

    async def end_session(self, digest: bytes) -> None:
        await self._write("DELETE FROM sessions WHERE digest = ?", (digest,))

    async def end_sessions_before(self, created_at: float, seen_at: float) -> None:
        await self._write("DELETE FROM sessions WHERE created_at < ? OR seen_at < ?", (created_at, seen_at))

    async def _write(self, statement: str, values: tuple[object, ...]) -> None:
        await self._writer.run(lambda connection: connection.execute(statement, values))

    def _read_one(self, statement: str, values: tuple[object, ...]) -> tuple[Any, ...] | None:
        try:
            row: tuple[Any, ...] | None = self._reader.execute(statement, values).fetchone()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the database cannot be read ({error})") from error
        return row
