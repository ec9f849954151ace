"""Assignments and armed windows as rows of PostgreSQL, the same for every server."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from bootgrant.approval.policy import Window
from bootgrant.ports.assignment_store import Assignment
from bootgrant.store.decision_rows import ASSIGNMENT, WINDOW, assignment_from, assignment_row, window_from, window_row
from bootgrant.store.postgres.audit import rows_of
from bootgrant.store.postgres.connections import Connection, Connections
from bootgrant.store.postgres.texts import found, kept
from bootgrant.wire.identity import MachineIdentity

_ASSIGNMENTS: Final = f"SELECT {', '.join(ASSIGNMENT)} FROM assignments"  # noqa: S608  (names of columns)
_ASSIGN: Final = (
    f"INSERT INTO assignments ({', '.join(ASSIGNMENT)}) VALUES (%s{', %s' * (len(ASSIGNMENT) - 1)}) "  # noqa: S608
    "ON CONFLICT (identity_key) DO UPDATE SET entry = excluded.entry, assigned_by = excluded.assigned_by, "
    "at = excluded.at"
)
_SHARING: Final = " OR ".join(f"({name} <> '' AND {name} = %s)" for name in MachineIdentity.STRONG)
_WINDOWS: Final = f"SELECT {', '.join(WINDOW)} FROM windows ORDER BY armed_at"  # noqa: S608  (names of columns)
_ARM: Final = (
    f"INSERT INTO windows ({', '.join(WINDOW)}) VALUES (%s{', %s' * (len(WINDOW) - 1)}) "  # noqa: S608  (names)
    "ON CONFLICT (window_id) DO NOTHING"
)
_TAKE: Final = "UPDATE windows SET used = used + 1 WHERE window_id = %s AND used < count AND until > %s"
_GIVE_BACK: Final = "UPDATE windows SET used = used - 1 WHERE window_id = %s AND used > 0"


class _Rows:
    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def _write(self, statement: str, values: tuple[object, ...], *, once: bool = False) -> int:
        """How many rows were changed. ``once``: a second try would count twice, so a lost answer is an error."""

        async def work(connection: Connection) -> int:
            return (await connection.execute(statement, tuple(map(kept, values)))).rowcount

        return await self._connections.run(work, look_first=once)

    async def _read(self, statement: str, values: tuple[object, ...] = ()) -> list[list[Any]]:
        rows = await self._connections.run(partial(rows_of, statement, tuple(map(kept, values))))
        return [[found(value) for value in row] for row in rows]


class PostgresAssignmentStore(_Rows):
    """ports.assignment_store.AssignmentStore."""

    async def put(self, assignment: Assignment) -> None:
        await self._write(_ASSIGN, assignment_row(assignment))

    async def sharing(self, identity: MachineIdentity) -> Sequence[Assignment]:
        rows = await self._read(
            f"{_ASSIGNMENTS} WHERE {_SHARING} ORDER BY at DESC", (identity.uuid, identity.serial, identity.mac)
        )
        return [assignment_from(row) for row in rows]

    async def remove(self, identity_key: str) -> bool:
        return await self._write("DELETE FROM assignments WHERE identity_key = %s", (identity_key,)) > 0

    async def assignments(self) -> Sequence[Assignment]:
        return [assignment_from(row) for row in await self._read(f"{_ASSIGNMENTS} ORDER BY at DESC")]


class PostgresWindowStore(_Rows):
    """ports.window_store.WindowStore."""

    async def arm(self, window: Window) -> None:
        await self._write(_ARM, window_row(window))

    async def disarm(self, window_id: str) -> bool:
        return await self._write("DELETE FROM windows WHERE window_id = %s", (window_id,)) > 0

    async def windows(self) -> Sequence[Window]:
        return [window_from(row) for row in await self._read(_WINDOWS)]

    async def take_place(self, window_id: str, now: float) -> bool:
        return await self._write(_TAKE, (window_id, now), once=True) > 0

    async def give_back(self, window_id: str) -> None:
        await self._write(_GIVE_BACK, (window_id,), once=True)

    async def forget_before(self, until: float) -> None:
        await self._write("DELETE FROM windows WHERE until < %s", (until,))
