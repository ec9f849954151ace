"""Assignments and armed windows as rows of SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from bootgrant.approval.policy import Window
from bootgrant.ports.assignment_store import Assignment
from bootgrant.ports.grant_store import StoreUnavailable
from bootgrant.store.decision_rows import ASSIGNMENT, WINDOW, assignment_from, assignment_row, window_from, window_row
from bootgrant.store.sqlite.writer import Writer
from bootgrant.wire.identity import MachineIdentity

_ASSIGNMENTS: Final = f"SELECT {', '.join(ASSIGNMENT)} FROM assignments"  # noqa: S608  (names of columns)
_ASSIGN: Final = f"INSERT OR REPLACE INTO assignments ({', '.join(ASSIGNMENT)}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_SHARING: Final = " OR ".join(f"({name} <> '' AND {name} = ?)" for name in MachineIdentity.STRONG)
_WINDOWS: Final = f"SELECT {', '.join(WINDOW)} FROM windows ORDER BY armed_at"  # noqa: S608  (names of columns)
_ARM: Final = f"INSERT INTO windows ({', '.join(WINDOW)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  (names of columns)
_TAKE: Final = "UPDATE windows SET used = used + 1 WHERE window_id = ? AND used < count AND until > ?"
_GIVE_BACK: Final = "UPDATE windows SET used = used - 1 WHERE window_id = ? AND used > 0"


class _Rows:
    def __init__(self, writer: Writer, reader: sqlite3.Connection) -> None:
        self._writer = writer
        self._reader = reader

    async def _write(self, statement: str, values: tuple[object, ...]) -> int:
        """How many rows were changed, once that is durable."""
        return await self._writer.run(lambda connection: connection.execute(statement, values).rowcount)

    def _read(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._reader.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the database cannot be read ({error})") from error


class SqliteAssignmentStore(_Rows):
    """ports.assignment_store.AssignmentStore on one SQLite file."""

    async def put(self, assignment: Assignment) -> None:
        await self._write(_ASSIGN, assignment_row(assignment))

    async def sharing(self, identity: MachineIdentity) -> Sequence[Assignment]:
        rows = self._read(
            f"{_ASSIGNMENTS} WHERE {_SHARING} ORDER BY at DESC", (identity.uuid, identity.serial, identity.mac)
        )
        return [assignment_from(row) for row in rows]

    async def remove(self, identity_key: str) -> bool:
        return await self._write("DELETE FROM assignments WHERE identity_key = ?", (identity_key,)) > 0

    async def assignments(self) -> Sequence[Assignment]:
        return [assignment_from(row) for row in self._read(f"{_ASSIGNMENTS} ORDER BY at DESC")]


class SqliteWindowStore(_Rows):
    """ports.window_store.WindowStore on one SQLite file."""

    async def arm(self, window: Window) -> None:
        await self._write(_ARM, window_row(window))

    async def disarm(self, window_id: str) -> bool:
        return await self._write("DELETE FROM windows WHERE window_id = ?", (window_id,)) > 0

    async def windows(self) -> Sequence[Window]:
        return [window_from(row) for row in self._read(_WINDOWS)]

    async def take_place(self, window_id: str, now: float) -> bool:
        return await self._write(_TAKE, (window_id, now)) > 0

    async def give_back(self, window_id: str) -> None:
        await self._write(_GIVE_BACK, (window_id,))

    async def forget_before(self, until: float) -> None:
        await self._write("DELETE FROM windows WHERE until < ?", (until,))
