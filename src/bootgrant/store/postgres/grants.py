"""Grants as rows of PostgreSQL. What many machines do at once goes in batches; the rest is one statement each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

from bootgrant.approval.grant import REDEEM_GRACE, Delivery, DeviceGrant, Refusal
from bootgrant.ports.audit import AuditOf
from bootgrant.ports.grants import Census, GrantRule
from bootgrant.store.grant_index import newest_denial
from bootgrant.store.postgres import grant_sql as sql
from bootgrant.store.postgres.batches import Batches
from bootgrant.store.postgres.changing import Change, Changing, Outcome
from bootgrant.store.postgres.connections import Connection, Connections
from bootgrant.store.postgres.news import News
from bootgrant.store.postgres.opening import Opening
from bootgrant.store.postgres.texts import kept
from bootgrant.store.postgres.watching import Watching
from bootgrant.wire.identity import MachineIdentity


class PostgresGrantStore:
    """ports.grants.GrantStore on a database that other servers use too."""

    def __init__(self, connections: Connections, watching: Watching, news: News) -> None:
        self._connections = connections
        self._watching = watching
        self._news = news
        self._by_id = Batches(partial(self._find, "grant_id"))
        self._by_device_code = Batches(partial(self._find, "device_code_digest"))
        self._by_user_code = Batches(partial(self._find, "user_code_digest"))
        self._by_token = Batches(partial(self._find, "token_digest"))
        self._denials = Batches(self._find_denials)
        self._openings: Batches[DeviceGrant, list[str]] = Batches(Opening(connections, news))
        self._changes: Batches[Change, Outcome] = Batches(Changing(connections, news))

    async def open_grant(self, grant: DeviceGrant) -> Sequence[str]:
        replaced = await self._openings.ask(grant)
        self._watching.seen.put(grant, 1)
        return replaced

    async def find_by_device_code(self, digest: bytes) -> DeviceGrant | None:
        return self._still_waiting(self._watching.seen.of_code(digest)) or await self._by_device_code.ask(digest)

    async def find_by_user_code(self, digest: bytes) -> DeviceGrant | None:
        return await self._by_user_code.ask(digest)

    async def find_by_token(self, digest: bytes) -> DeviceGrant | None:
        return await self._by_token.ask(digest)

    async def find_grant(self, grant_id: str) -> DeviceGrant | None:
        return await self._by_id.ask(grant_id)

    async def find_watched(self, grant_id: str) -> DeviceGrant | None:
        return self._still_waiting(self._watching.seen.of(grant_id)) or await self.find_grant(grant_id)

    async def pending_grants(self, now: float, limit: int) -> Sequence[DeviceGrant]:
        return [row.grant for row in await self._read(sql.PENDING, (now, limit))]

    async def pending_since(self, opened_after: float, now: float, limit: int) -> Sequence[DeviceGrant]:
        return [row.grant for row in await self._read(sql.PENDING_SINCE, (opened_after, now, limit))]

    async def census(self, now: float) -> Census:
        [row] = await self._connections.run(partial(_rows, sql.CENSUS, (now, now, now - REDEEM_GRACE, now)))
        return Census(*row)

    async def find_denial(self, identity: MachineIdentity, address: str, since: float) -> DeviceGrant | None:
        return await self._denials.ask((identity, address, since))

    async def live_with(self, identity: MachineIdentity, now: float) -> Sequence[DeviceGrant]:
        values = [sql.spellings(identity, name) for name in identity.STRONG]
        rows = await self._read(sql.LIVE_WITH, tuple(part for value in values for part in (value, now)))
        return [row.grant for row in rows]

    async def change_grant(
        self, grant_id: str, rule: GrantRule, delivery: Delivery | None = None, audit: AuditOf | None = None
    ) -> DeviceGrant | Refusal:
        outcome = await self._changes.ask(Change(grant_id, rule, delivery, audit))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def deliveries(self, grant_id: str) -> Sequence[Delivery]:
        rows = await self._connections.run(partial(_rows, sql.DELIVERIES, (kept(grant_id),)))
        return [Delivery(*row) for row in rows]

    async def collect_ended(self, unfetched_before: float, fetched_before: float, limit: int) -> int:
        values = {"unfetched": unfetched_before, "fetched": fetched_before, "limit": limit}

        async def collect(connection: Connection) -> int:
            return (await connection.execute(sql.COLLECT, values)).rowcount

        return await self._connections.run(collect)

    def watch_grant(self, grant_id: str) -> AbstractContextManager[asyncio.Future[None]]:
        return self._watching.watch(grant_id)

    async def check_writable(self) -> None:
        await self._connections.run(lambda connection: connection.execute(sql.CHECK))

    def _still_waiting(self, seen: tuple[DeviceGrant, int] | None) -> DeviceGrant | None:
        """What was seen, while this server hears of changes; its watchers know then which version they know."""
        if seen is None or not self._news.hearing:
            return None
        self._watching.read(*seen)
        return seen[0]

    async def _find(self, column: str, keys: Sequence[object]) -> Sequence[DeviceGrant | None]:
        """The grant of each key; a watched one that is newer than its watchers know wakes them."""
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
        rows = await self._read(sql.DENIED, tuple(part for value in values for part in (value, earliest)))
        by_value: dict[tuple[str, str], list[DeviceGrant]] = {}
        for row in rows:
            for key in row.grant.identity.strong():
                by_value.setdefault(key, []).append(row.grant)
        return [
            newest_denial(
                (grant for key in identity.strong() for grant in by_value.get(key, ())), identity, address, since
            )
            for identity, address, since in asked
        ]

    async def _read(self, statement: str, values: tuple[object, ...]) -> list[sql.Stored]:
        return [sql.stored(row) for row in await self._connections.run(partial(_rows, statement, values))]


async def _rows(statement: str, values: tuple[object, ...], connection: Connection) -> list[tuple[Any, ...]]:
    cursor = connection.cursor(binary=True)
    await cursor.execute(statement, values)
    return await cursor.fetchall()
