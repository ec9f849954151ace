"""Assignments and armed windows as rows of SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bootgrant.approval.policy import Window
from bootgrant.ports.decisions import Assignment
from bootgrant.store.decision_rows import ASSIGNMENT, WINDOW, assignment_from, assignment_row, window_from, window_row
from bootgrant.store.people.rows import Rows
from bootgrant.wire.identity import MachineIdentity

_ASSIGNMENTS: Final = f"SELECT {', '.join(ASSIGNMENT)} FROM assignments"  # noqa: S608  (names of columns)
_ASSIGN: Final = (
    f"INSERT INTO assignments ({', '.join(ASSIGNMENT)}) VALUES (?{', ?' * (len(ASSIGNMENT) - 1)}) "  # noqa: S608
    "ON CONFLICT (identity_key) DO UPDATE SET entry = excluded.entry, assigned_by = excluded.assigned_by, "
    "at = excluded.at"
)
_UNASSIGN: Final = "DELETE FROM assignments WHERE identity_key = ? RETURNING identity_key"
_SHARING: Final = " OR ".join(f"({name} <> '' AND {name} = ?)" for name in MachineIdentity.STRONG)
_WINDOWS: Final = f"SELECT {', '.join(WINDOW)} FROM windows ORDER BY armed_at"  # noqa: S608  (names of columns)
_ARM: Final = f"INSERT INTO windows ({', '.join(WINDOW)}) VALUES (?{', ?' * (len(WINDOW) - 1)})"  # noqa: S608  (names)
_DISARM: Final = "DELETE FROM windows WHERE window_id = ? RETURNING window_id"
_TAKE: Final = (
    "UPDATE windows SET used = used + 1 WHERE window_id = ? AND used < count AND until > ? RETURNING window_id"
)
_GIVE_BACK: Final = "UPDATE windows SET used = used - 1 WHERE window_id = ? AND used > 0 RETURNING window_id"


class AssignmentRows:
    """ports.decisions.AssignmentStore."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def put(self, assignment: Assignment) -> None:
        await self._rows.write((_ASSIGN, assignment_row(assignment)))

    async def sharing(self, identity: MachineIdentity) -> Sequence[Assignment]:
        values = (identity.uuid, identity.serial, identity.mac)
        rows = await self._rows.read(f"{_ASSIGNMENTS} WHERE {_SHARING} ORDER BY at DESC", *values)
        return [assignment_from(row) for row in rows]

    async def remove(self, identity_key: str) -> bool:
        return bool(await self._rows.write((_UNASSIGN, (identity_key,))))

    async def assignments(self) -> Sequence[Assignment]:
        return [assignment_from(row) for row in await self._rows.read(f"{_ASSIGNMENTS} ORDER BY at DESC")]


class WindowRows:
    """ports.decisions.WindowStore. A place is taken by one conditional statement, so servers share the count."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def arm(self, window: Window) -> None:
        await self._rows.write((_ARM, window_row(window)))

    async def disarm(self, window_id: str) -> bool:
        return bool(await self._rows.write((_DISARM, (window_id,))))

    async def windows(self) -> Sequence[Window]:
        return [window_from(row) for row in await self._rows.read(_WINDOWS)]

    async def take_place(self, window_id: str, now: float) -> bool:
        return bool(await self._rows.write((_TAKE, (window_id, now))))

    async def give_back(self, window_id: str) -> None:
        await self._rows.write((_GIVE_BACK, (window_id,)))

    async def forget_before(self, until: float) -> None:
        await self._rows.write(("DELETE FROM windows WHERE until < ?", (until,)))
