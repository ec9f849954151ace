"""Grants as rows of PostgreSQL. Calls that many machines make at once are grouped; the rest is one statement each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import TypeVar

from bootgrant.approval.grant import REDEEM_GRACE, Delivery, DeviceGrant, Refusal
from bootgrant.ports.audit import AuditOf, EventsOf
from bootgrant.ports.grants import Census, GrantRule
from bootgrant.store.grant_index import may_fetch, newest_decision, newest_denial
from bootgrant.store.group_commit import GroupCommit
from bootgrant.store.postgres import grant_sql as sql
from bootgrant.store.postgres.connections import Connections
from bootgrant.store.postgres.grant_writes import Change, Changing, New, Opening
from bootgrant.store.postgres.news import News
from bootgrant.store.postgres.rows import escaped
from bootgrant.store.postgres.watching import Watching
from bootgrant.wire.identity import MachineIdentity

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def _grouped(work: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome | Exception]]]) -> GroupCommit[Item, Outcome]:
    return GroupCommit(work, parallel=2, largest=256)


class PostgresGrantStore:
    """ports.grants.GrantStore."""

    def __init__(self, connections: Connections, watching: Watching, news: News) -> None:
        self._connections = connections
        self._watching = watching
        self._news = news
        self._by_id = _grouped(partial(self._find, "grant_id"))
        self._by_device_code = _grouped(partial(self._find, "device_code_digest"))
        self._by_user_code = _grouped(partial(self._find, "user_code_digest"))
        self._by_token = _grouped(partial(self._find, "token_digest"))
        self._denials = _grouped(self._find_denials)
        self._openings: GroupCommit[New, list[str]] = _grouped(Opening(connections, news))
        self._decisions = _grouped(self._find_decisions)
        self._changes: GroupCommit[Change, DeviceGrant | Refusal] = _grouped(Changing(connections, news))

    async def open_grant(
        self, grant: DeviceGrant, fingerprint: str = "", audit: EventsOf | None = None
    ) -> Sequence[str]:
        replaced = await self._openings.run(New(grant, fingerprint, audit))
        self._watching.seen.put(grant, 1)
        return replaced

    async def find_by_device_code(self, digest: bytes) -> DeviceGrant | None:
        return self._still_pending(self._watching.seen.with_code(digest)) or await self._by_device_code.run(digest)

    async def find_by_user_code(self, digest: bytes) -> DeviceGrant | None:
        return await self._by_user_code.run(digest)

    async def find_by_token(self, digest: bytes) -> DeviceGrant | None:
        return await self._by_token.run(digest)

    async def find_grant(self, grant_id: str) -> DeviceGrant | None:
        return await self._by_id.run(grant_id)

    async def find_watched(self, grant_id: str) -> DeviceGrant | None:
        return self._still_pending(self._watching.seen.get(grant_id)) or await self.find_grant(grant_id)

    async def pending_grants(self, now: float, limit: int) -> Sequence[DeviceGrant]:
        return await self._read(sql.PENDING, (now, limit))

    async def pending_since(self, opened_after: float, now: float, limit: int) -> Sequence[DeviceGrant]:
        return await self._read(sql.PENDING_SINCE, (opened_after, now, limit))

    async def census(self, now: float) -> Census:
        [row] = await self._connections.fetch(sql.CENSUS, (now, now, now - REDEEM_GRACE, now), binary=True)
        return Census(*row)

    async def find_denial(self, identity: MachineIdentity, address: str, since: float) -> DeviceGrant | None:
        return await self._denials.run((identity, address, since))

    async def last_decision(self, identity: MachineIdentity, since: float) -> DeviceGrant | None:
        return await self._decisions.run((identity, since))

    async def undelivered(self, now: float) -> Sequence[DeviceGrant]:
        return [grant for grant in await self._read(sql.UNDELIVERED, ()) if may_fetch(grant, now)]

    async def denials(self, since: float, limit: int) -> Sequence[DeviceGrant]:
        return await self._read(sql.DENIALS, (since, limit))

    async def live_with(self, identity: MachineIdentity, now: float) -> Sequence[DeviceGrant]:
        values = [sql.spellings(identity, name) for name in identity.STRONG]
        return await self._read(sql.LIVE_WITH, tuple(part for value in values for part in (value, now)))

    async def change_grant(
        self, grant_id: str, rule: GrantRule, delivery: Delivery | None = None, audit: AuditOf | None = None
    ) -> DeviceGrant | Refusal:
        return await self._changes.run(Change(grant_id, rule, delivery, audit))

    async def deliveries(self, grant_id: str) -> Sequence[Delivery]:
        rows = await self._connections.fetch(sql.DELIVERIES, (escaped(grant_id),), binary=True)
        return [Delivery(*row) for row in rows]

    async def collect_ended(self, unfetched_before: float, fetched_before: float, limit: int) -> int:
        values = {"unfetched": unfetched_before, "fetched": fetched_before, "limit": limit}
        return await self._connections.execute(sql.COLLECT, values)

    def watch_grant(self, grant_id: str) -> AbstractContextManager[asyncio.Future[None]]:
        return self._watching.watch(grant_id)

    async def check_writable(self) -> None:
        await self._connections.execute(sql.CHECK)

    def _still_pending(self, seen: tuple[DeviceGrant, int] | None) -> DeviceGrant | None:
        """Return a remembered grant while this server hears of changes, and note the version for its watchers."""
        if seen is None or not self._news.hearing:
            return None
        self._watching.read(*seen)
        return seen[0]

    async def _find(self, column: str, keys: Sequence[object]) -> Sequence[DeviceGrant | None]:
        """Return the grant of each key. A watched grant that is newer than its watchers know wakes them."""
        rows = await self._connections.run(partial(sql.find, column, list(dict.fromkeys(keys))))
        for row in rows.values():
            self._watching.read(row.grant, row.version)
        return [rows[key].grant if key in rows else None for key in keys]

    async def _find_denials(self, asked: Sequence[tuple[MachineIdentity, str, float]]) -> Sequence[DeviceGrant | None]:
        earliest = min(since for _, _, since in asked)
        values = [
            list({value for identity, _, _ in asked for value in sql.spellings(identity, name)})
            for name in MachineIdentity.STRONG
        ]
        grants = await self._read(sql.DENIED, tuple(part for value in values for part in (value, earliest)))
        by_value: dict[tuple[str, str], list[DeviceGrant]] = {}
        for grant in grants:
            for key in grant.identity.strong():
                by_value.setdefault(key, []).append(grant)
        return [
            newest_denial(
                (grant for key in identity.strong() for grant in by_value.get(key, ())), identity, address, since
            )
            for identity, address, since in asked
        ]

    async def _find_decisions(self, asked: Sequence[tuple[MachineIdentity, float]]) -> Sequence[DeviceGrant | None]:
        earliest = min(since for _, since in asked)
        keys = list({escaped(identity.key) for identity, _ in asked})
        by_key: dict[str, list[DeviceGrant]] = {}
        for grant in await self._read(sql.LAST_DECIDED, (earliest, keys)):
            by_key.setdefault(grant.identity.key, []).append(grant)
        return [newest_decision(by_key.get(identity.key, ()), since) for identity, since in asked]

    async def _read(self, statement: str, values: tuple[object, ...]) -> list[DeviceGrant]:
        return [sql.stored(row).grant for row in await self._connections.fetch(statement, values, binary=True)]
