"""The cursors of audit sinks as rows of either database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bootgrant.approval.audit import Head
from bootgrant.ports.audit_sinks import SinkState
from bootgrant.store.rows import Row, RowStore, insert_into, listed

_COLUMNS: Final = ("name", "seq", "digest", "holder", "held_until", "sent_at", "failed_at", "failure")
_STATE: Final = ("name", "seq", "digest", "sent_at", "failed_at", "failure")
_BEGIN: Final = f"{insert_into('audit_sinks', _COLUMNS)} ON CONFLICT (name) DO NOTHING"
_TAKE: Final = (
    "UPDATE audit_sinks SET holder = ?, held_until = ? WHERE name = ? AND (holder = ? OR held_until <= ?) "
    f"RETURNING {listed(_STATE)}"
)
_SENT: Final = (
    "UPDATE audit_sinks SET seq = ?, digest = ?, sent_at = ?, failure = '' "
    "WHERE name = ? AND holder = ? AND seq <= ? RETURNING name"
)
_FAILED: Final = "UPDATE audit_sinks SET failed_at = ?, failure = ?, held_until = 0 WHERE name = ? AND holder = ?"
_END: Final = "UPDATE audit_sinks SET held_until = 0 WHERE name = ? AND holder = ?"


class SinkRows(RowStore):
    """ports.audit_sinks.SinkStore."""

    async def begin(self, name: str, after: Head) -> None:
        await self._rows.write((_BEGIN, (name, after.seq, after.digest, "", 0.0, None, None, "")))

    async def sinks(self) -> Sequence[SinkState]:
        rows = await self._rows.read(f"SELECT {listed(_STATE)} FROM audit_sinks")
        return sorted(map(_state, rows), key=lambda state: state.name)

    async def take_turn(self, name: str, holder: str, now: float, until: float) -> SinkState | None:
        rows = await self._rows.write((_TAKE, (holder, until, name, holder, now)))
        return _state(rows[0]) if rows else None

    async def note_sent(self, name: str, holder: str, sent: Head, at: float) -> bool:
        return bool(await self._rows.write((_SENT, (sent.seq, sent.digest, at, name, holder, sent.seq))))

    async def note_failed(self, name: str, holder: str, at: float, failure: str) -> None:
        await self._rows.write((_FAILED, (at, failure, name, holder)))

    async def end_turn(self, name: str, holder: str) -> None:
        await self._rows.write((_END, (name, holder)))


def _state(row: Row) -> SinkState:
    name, seq, digest, sent_at, failed_at, failure = row
    return SinkState(name, Head(seq, digest), sent_at, failed_at, failure)
