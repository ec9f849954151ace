"""Epochs as rows of either database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from bootgrant.approval.audit import AuditEvent, Head
from bootgrant.approval.epoch import TAKES_AWAY, Acceptance, Recorded, Seen, Taken, as_json, read_seen
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.audit_rows import AuditReader, read_row
from bootgrant.store.rows import Rows, Statement, insert_into

_ACCEPTANCE: Final = ("epoch", "covered_epoch", "covered_seq", "at")
_ACCEPT: Final = f"{insert_into('acceptances', _ACCEPTANCE)} ON CONFLICT DO NOTHING RETURNING epoch"
_ACCEPT_MORE: Final = f"{insert_into('acceptances', _ACCEPTANCE)} ON CONFLICT DO NOTHING"
_REPORT: Final = (
    f"{insert_into('seen_by_servers', ('server', 'seen', 'at'))} "
    "ON CONFLICT (server) DO UPDATE SET seen = excluded.seen, at = excluded.at"
)
_OURS: Final = "EXISTS (SELECT 1 FROM acceptances WHERE epoch = ? AND covered_epoch = ? AND at = ?)"
"""The acceptance was stored by this transaction, and not by another server before."""
_VOID: Final = tuple(
    f"DELETE FROM {table} WHERE {_OURS}"
    for table in ("sessions", "api_tokens", "command_line_logins", "challenges", "windows", "seen_by_servers")
)
_KINDS: Final = tuple(sorted(kind.value for kind in TAKES_AWAY))
_TAKEN: Final = (
    f"SELECT line, digest FROM audit WHERE seq > ? AND kind IN ({', '.join('?' * len(_KINDS))}) "
    "ORDER BY seq DESC LIMIT 400"
)
_NEWEST: Final = "SELECT seq, digest FROM audit ORDER BY seq DESC LIMIT 1"


class EpochRows:
    """ports.epochs.EpochStore."""

    def __init__(self, rows: Rows, audit: AuditReader) -> None:
        self._rows = rows
        self._audit = audit

    async def newest(self) -> Head:
        rows = await self._audit.read(_NEWEST)
        return Head(*rows[0]) if rows else Head()

    async def recorded(self, seen: Seen) -> Recorded:
        asked = sorted({seen.head.seq, *(each.head.seq for each in seen.taken)})
        found = await self._rows.read(
            f"SELECT seq, digest FROM audit WHERE seq IN ({', '.join('?' * len(asked))})", *asked
        )
        [(oldest,)] = await self._rows.read("SELECT min(seq) FROM audit")
        accepted = await self._rows.read("SELECT epoch, covered_epoch, covered_seq, at FROM acceptances")
        acceptances = [Acceptance(*row) for row in accepted]
        return Recorded(await self.newest(), int(oldest or 0), {row[0]: row[1] for row in found}, acceptances)

    async def taken_since(self, seq: int) -> Sequence[Taken]:
        rows = await self._audit.read(_TAKEN, seq, *_KINDS)
        return [Taken.of(read_row(*row)) for row in reversed(rows)]

    async def report(self, server: str, seen: Seen, at: float) -> None:
        await self._rows.write((_REPORT, (server, json.dumps(as_json(seen)), at)))

    async def reports(self) -> Sequence[Seen]:
        rows = await self._rows.read("SELECT seen FROM seen_by_servers ORDER BY server")
        try:
            return [read_seen(json.loads(text)) for (text,) in rows]
        except ValueError as error:
            raise StoreUnavailable(f"what another server has seen cannot be read: {error}") from error

    async def accept(self, acceptances: Sequence[Acceptance], audit: AuditEvent) -> bool:
        values = [(each.epoch, each.covered_epoch, each.covered_seq, each.at) for each in acceptances]
        first, *others = values
        more: list[Statement] = [(_ACCEPT_MORE, each) for each in others]
        epoch, covered, _, at = first
        more += [(delete, (epoch, covered, at)) for delete in _VOID]
        return bool(await self._rows.write((_ACCEPT, first), *more, audit=lambda _: audit))
