"""Values made for one delivery, as rows of either database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.minting import Minted
from bootgrant.store.rows import Row, RowStore, Value, insert_into, listed
from bootgrant.wire.identity import MachineIdentity

_MINTED: Final = (
    "grant_id", "variable", "entry", "uuid", "serial", "mac", "hostname", "unmint", "attempt", "began_at", "sealed",
    "program_id", "tries",
)  # fmt: skip
_ALL: Final = (*_MINTED, "made", "fetched_at", "retry_at")
_BEGIN: Final = (
    f"{insert_into('minted', _ALL)} ON CONFLICT (grant_id, variable) DO UPDATE "
    "SET attempt = excluded.attempt, began_at = excluded.began_at, unmint = excluded.unmint "
    "WHERE minted.made = 0 AND minted.began_at < ?"
)
_ONE: Final = f"SELECT {listed(_MINTED)} FROM minted WHERE grant_id = ? AND variable = ?"
_OF_ATTEMPT: Final = "WHERE grant_id = ? AND variable = ? AND attempt = ? AND made = 0"
_FINISH: Final = f"UPDATE minted SET made = 1, sealed = ?, program_id = ? {_OF_ATTEMPT} RETURNING grant_id"
_GIVE_UP: Final = f"UPDATE minted SET began_at = 0 {_OF_ATTEMPT}"
_FETCHED: Final = (
    "UPDATE minted SET fetched_at = "
    "(SELECT g.delivered_at FROM grants g WHERE g.grant_id = minted.grant_id) "
    "WHERE made = 1 AND fetched_at IS NULL "
    "AND grant_id IN (SELECT g.grant_id FROM grants g WHERE g.delivered_at IS NOT NULL)"
)
_ANY: Final = "SELECT 1 FROM minted LIMIT 1"
_DUE: Final = (
    f"SELECT {listed(_MINTED, 'm')} FROM minted m LEFT JOIN grants g ON g.grant_id = m.grant_id "
    "WHERE m.retry_at <= ? AND (g.state IN (?, ?) OR (m.fetched_at IS NULL AND (g.grant_id IS NULL "
    "OR (g.delivered_at IS NULL AND g.token_expires_at <= ?)))) ORDER BY m.grant_id, m.variable"
)
_CLAIM: Final = (
    "UPDATE minted SET retry_at = ?, tries = tries + 1 WHERE grant_id = ? AND variable = ? AND retry_at <= ? "
    "RETURNING grant_id"
)
_FORGET: Final = "DELETE FROM minted WHERE grant_id = ? AND variable = ? RETURNING grant_id"
_BLANK: Final = "UPDATE minted SET sealed = '' WHERE sealed <> '' AND fetched_at < ?"
_SETTLED: Final = "DELETE FROM minted WHERE fetched_at IS NOT NULL AND grant_id NOT IN (SELECT grant_id FROM grants)"


class MintedRows(RowStore):
    """ports.minting.MintStore. One statement begins and one claims, so of several servers the first one wins."""

    async def begin(self, minted: Minted, stale_before: float) -> Minted:
        machine = minted.machine
        values: tuple[Value, ...] = (
            minted.grant_id, minted.variable, minted.entry, machine.uuid, machine.serial, machine.mac, machine.hostname,
            json.dumps(minted.unmint), minted.attempt, minted.began_at, "", "", 0, 0, None, 0.0,
        )  # fmt: skip
        await self._rows.write((_BEGIN, (*values, stale_before)))
        [row] = await self._rows.read(_ONE, minted.grant_id, minted.variable)
        return _minted(row)

    async def finish(self, minted: Minted, audit: AuditEvent) -> bool:
        values = (minted.sealed, minted.program_id, minted.grant_id, minted.variable, minted.attempt)
        return bool(await self._rows.write((_FINISH, values), audit=lambda _: audit))

    async def give_up(self, minted: Minted) -> None:
        await self._rows.write((_GIVE_UP, (minted.grant_id, minted.variable, minted.attempt)))

    async def due(self, now: float) -> Sequence[Minted]:
        ended = (GrantState.REVOKED.value, GrantState.VOID.value)
        return [_minted(row) for row in await self._rows.read(_DUE, now, *ended, now)]

    async def claim(self, minted: Minted, now: float, until: float) -> bool:
        return bool(await self._rows.write((_CLAIM, (until, minted.grant_id, minted.variable, now))))

    async def forget(self, minted: Minted, audit: AuditEvent | None = None) -> None:
        event = (lambda _: audit) if audit else None
        await self._rows.write((_FORGET, (minted.grant_id, minted.variable)), audit=event)

    async def settle(self, fetched_before: float) -> None:
        # Most sites make no values, and must not write every few seconds because of that.
        if not await self._rows.read(_ANY):
            return
        await self._rows.write((_FETCHED, ()), (_BLANK, (fetched_before,)), (_SETTLED, ()))


def _minted(row: Row) -> Minted:
    grant_id, variable, entry, uuid, serial, mac, hostname, unmint, *rest = row
    machine = MachineIdentity(uuid, serial, mac, hostname)
    return Minted(grant_id, variable, entry, machine, tuple(json.loads(unmint)), *rest)
