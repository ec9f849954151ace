"""Keeping new grants, many in one transaction, each in place of the older requests of its machine."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from psycopg import errors

from bootgrant.approval.grant import DeviceGrant, GrantState
from bootgrant.ports.grants import StoreUnavailable, UserCodeTaken
from bootgrant.store.postgres import grant_sql as sql
from bootgrant.store.postgres.connections import Connection, Connections, transaction
from bootgrant.store.postgres.news import News

_ROUNDS: Final = 20
_PRESENT = "SELECT grant_id FROM grants WHERE grant_id = ANY(%s)"
_TAKEN = "SELECT 1 FROM grants WHERE user_code_digest = %s"
Replaced = dict[tuple[str, str], list[tuple[str, int]]]


class Opening:
    """The work of a batch of ``open_grant``."""

    def __init__(self, connections: Connections, news: News) -> None:
        self._connections = connections
        self._news = news

    async def __call__(self, grants: Sequence[DeviceGrant]) -> Sequence[list[str]]:
        """The ids that each replaced. For a single grant, raises UserCodeTaken; for many, that one of them cannot be
        kept, and then none is."""
        for _ in range(_ROUNDS):
            try:
                return await self._keep(grants)
            except errors.UniqueViolation:
                if len(await self._connections.run(partial(_present, grants))) == len(grants):
                    # The connection broke after the commit, and this is the second time.
                    return [[] for _ in grants]
                if len(grants) > 1:
                    raise
                if await self._connections.run(partial(_is_taken, grants[0])):
                    raise UserCodeTaken from None
                # The same machine asks another server at this moment: once more, in its place.
        raise StoreUnavailable("this machine asks other servers all the time")

    async def _keep(self, grants: Sequence[DeviceGrant]) -> list[list[str]]:
        newest: dict[tuple[str, str], DeviceGrant] = {}
        replaced: list[list[str]] = []
        rows: dict[str, DeviceGrant] = {}
        for grant in grants:
            asking = sql.asking(grant)
            before = newest.get(asking)
            if before is not None:
                rows[before.grant_id] = before._replace(state=GrantState.REPLACED)
            replaced.append([] if before is None else [before.grant_id])
            rows[grant.grant_id] = newest[asking] = grant
        older = await self._connections.run(partial(_keep, sorted(newest), list(rows.values())))
        for grant, ids in zip(grants, replaced, strict=True):
            for grant_id, version in older.pop(sql.asking(grant), ()):
                self._news.tell(grant_id, version)
                ids.append(grant_id)
        return replaced


async def _keep(asking: Sequence[tuple[str, str]], rows: Sequence[DeviceGrant], connection: Connection) -> Replaced:
    """Two servers take the locks in one order, so that they do not wait for each other in a circle."""
    cursor = connection.cursor()
    async with transaction(connection):
        await cursor.executemany(sql.REPLACE, asking, returning=True)
        await connection.cursor(binary=True).executemany(
            sql.INSERT, [sql.inserted(grant) for grant in sorted(rows, key=sql.asking)]
        )
    replaced: Replaced = {}
    for key in asking:
        replaced[key] = [(row[0], row[1]) for row in await cursor.fetchall()]
        cursor.nextset()
    return replaced


async def _present(grants: Sequence[DeviceGrant], connection: Connection) -> list[tuple[object, ...]]:
    cursor = await connection.execute(_PRESENT, ([grant.grant_id for grant in grants],))
    return await cursor.fetchall()


async def _is_taken(grant: DeviceGrant, connection: Connection) -> bool:
    cursor = await connection.execute(_TAKEN, (grant.user_code_digest,))
    return await cursor.fetchone() is not None
