"""Values made for one delivery, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.minting import Minted
from support.memory.decisions import MemoryAuditLog


@dataclass
class _Row:
    minted: Minted
    made: bool = False
    fetched_at: float | None = None
    retry_at: float = 0.0


class MemoryMintStore:
    """ports.minting.MintStore in a dictionary."""

    def __init__(self, grants: GrantStore, audit: MemoryAuditLog) -> None:
        self._grants = grants
        self._audit = audit
        self._rows: dict[tuple[str, str], _Row] = {}

    async def begin(self, minted: Minted, stale_before: float) -> Minted:
        row = self._rows.setdefault((minted.grant_id, minted.variable), _Row(minted))
        if not row.made and row.minted.began_at < stale_before:
            row.minted = replace(row.minted, attempt=minted.attempt, began_at=minted.began_at, unmint=minted.unmint)
        return row.minted

    def _mine(self, minted: Minted) -> _Row | None:
        row = self._rows.get((minted.grant_id, minted.variable))
        return row if row is not None and not row.made and row.minted.attempt == minted.attempt else None

    async def finish(self, minted: Minted, audit: AuditEvent) -> bool:
        if (row := self._mine(minted)) is None:
            return False
        row.minted, row.made = minted, True
        await self._audit.append([audit])
        return True

    async def give_up(self, minted: Minted) -> None:
        if (row := self._mine(minted)) is not None:
            row.minted = replace(row.minted, began_at=0.0)

    async def due(self, now: float) -> Sequence[Minted]:
        found = []
        for row in self._rows.values():
            grant = await self._grants.find_grant(row.minted.grant_id)
            over = grant is None or (grant.delivered_at is None and grant.token_expires_at <= now)
            is_void = grant is not None and grant.state in (GrantState.REVOKED, GrantState.VOID)
            if row.retry_at <= now and (is_void or (row.fetched_at is None and over)):
                found.append(row.minted)
        return sorted(found, key=lambda minted: (minted.grant_id, minted.variable))

    async def claim(self, minted: Minted, now: float, until: float) -> bool:
        row = self._rows.get((minted.grant_id, minted.variable))
        if row is None or row.retry_at > now:
            return False
        row.retry_at, row.minted = until, replace(row.minted, tries=row.minted.tries + 1)
        return True

    async def forget(self, minted: Minted, audit: AuditEvent | None = None) -> None:
        if self._rows.pop((minted.grant_id, minted.variable), None) is not None and audit is not None:
            await self._audit.append([audit])

    async def settle(self, fetched_before: float) -> None:
        for key, row in list(self._rows.items()):
            grant = await self._grants.find_grant(row.minted.grant_id)
            if row.made and row.fetched_at is None and grant is not None:
                row.fetched_at = grant.delivered_at
            if row.fetched_at is not None and row.fetched_at < fetched_before:
                row.minted = replace(row.minted, sealed="")
            if row.fetched_at is not None and grant is None:
                del self._rows[key]
