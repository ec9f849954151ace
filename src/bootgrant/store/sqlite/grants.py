"""Grants as rows of SQLite: reads on a connection of the event loop's thread, writes through the one writer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from bootgrant.approval.grant import Decision, Delivery, DeviceGrant, GrantState, Refusal
from bootgrant.ports.grant_store import GrantRule, StoreUnavailable, UserCodeTaken
from bootgrant.store.changes import ChangeBoard
from bootgrant.store.sqlite.writer import Writer
from bootgrant.wire.identity import MachineIdentity

_COLUMNS = (
    "grant_id, client_id, uuid, serial, mac, hostname, source_address, user_code_digest, device_code_digest, "
    "token_salt, opened_at, expires_at, state, decided_by, decided_at, decision_reason, entry, token_digest, "
    "token_expires_at, delivered_at, deliveries, revoked_at"
)
_SELECT = f"SELECT {_COLUMNS} FROM grants"  # noqa: S608  (constants of this file)
_INSERT = f"INSERT INTO grants (identity_key, {_COLUMNS}) VALUES ({', '.join('?' * 23)})"  # noqa: S608  (constants)
_UPDATE = (
    "UPDATE grants SET state = ?, decided_by = ?, decided_at = ?, decision_reason = ?, entry = ?, token_digest = ?, "
    "token_expires_at = ?, delivered_at = ?, deliveries = ?, revoked_at = ? WHERE grant_id = ?"
)
_REPLACE = (
    "UPDATE grants SET state = 'replaced' WHERE state = 'pending' AND identity_key = ? AND source_address = ? "
    "RETURNING grant_id"
)
_LIVE_WITH = " UNION ".join(
    f"{_SELECT} WHERE state = 'pending' AND {variable} = ? AND expires_at > ?" for variable in MachineIdentity.STRONG
)
_COLLECT = (
    "DELETE FROM grants WHERE grant_id IN ("
    "SELECT grant_id FROM grants WHERE token_digest IS NULL AND expires_at < ? "
    "UNION ALL SELECT grant_id FROM grants WHERE token_digest IS NOT NULL AND token_expires_at < ? LIMIT ?)"
)


class SqliteGrantStore:
    """ports.grant_store.GrantStore on one SQLite file."""

    def __init__(self, writer: Writer, reader: sqlite3.Connection) -> None:
        self._writer = writer
        self._reader = reader
        self._board = ChangeBoard()

    async def open_grant(self, grant: DeviceGrant) -> Sequence[str]:
        key = grant.identity.key

        def insert(connection: sqlite3.Connection) -> list[str]:
            replaced = [row[0] for row in connection.execute(_REPLACE, (key, grant.source_address))]
            try:
                connection.execute(_INSERT, (key, *_to_row(grant)))
            except sqlite3.IntegrityError as error:
                if error.sqlite_errorname == "SQLITE_CONSTRAINT_UNIQUE":
                    raise UserCodeTaken from error
                raise
            return replaced

        replaced = await self._writer.run(insert)
        for grant_id in replaced:
            self._board.announce(grant_id)
        return replaced

    async def find_by_device_code(self, digest: bytes) -> DeviceGrant | None:
        return self._find("device_code_digest = ?", digest)

    async def find_by_user_code(self, digest: bytes) -> DeviceGrant | None:
        return self._find("user_code_digest = ?", digest)

    async def find_by_token(self, digest: bytes) -> DeviceGrant | None:
        return self._find("token_digest = ?", digest)

    async def find_grant(self, grant_id: str) -> DeviceGrant | None:
        return self._find("grant_id = ?", grant_id)

    async def pending_grants(self, now: float, limit: int) -> Sequence[DeviceGrant]:
        rows = self._read(
            f"{_SELECT} WHERE state = 'pending' AND expires_at > ? ORDER BY opened_at DESC LIMIT ?", (now, limit)
        )
        return [_from_row(row) for row in rows]

    async def find_denial(self, identity: MachineIdentity, since: float) -> DeviceGrant | None:
        rows = self._read(
            f"{_SELECT} WHERE state = 'denied' AND identity_key = ? AND decided_at > ? "
            "ORDER BY decided_at DESC LIMIT 1",
            (identity.key, since),
        )
        return _from_row(rows[0]) if rows else None

    async def live_with(self, identity: MachineIdentity, now: float) -> Sequence[DeviceGrant]:
        # An absent variable must not match the absent variables of others; no variable of a grant holds a NUL.
        values = [getattr(identity, name) or "\0" for name in identity.STRONG]
        return [_from_row(row) for row in self._read(_LIVE_WITH, tuple(v for value in values for v in (value, now)))]

    async def change_grant(
        self, grant_id: str, rule: GrantRule, delivery: Delivery | None = None
    ) -> DeviceGrant | Refusal:
        def change(connection: sqlite3.Connection) -> tuple[DeviceGrant | Refusal, bool]:
            row = connection.execute(f"{_SELECT} WHERE grant_id = ?", (grant_id,)).fetchone()
            if row is None:
                return Refusal.UNKNOWN, False
            before = _from_row(row)
            after = rule(before)
            if isinstance(after, Refusal) or after == before:
                return after, False
            connection.execute(_UPDATE, _changed(after))
            if delivery is not None:
                values = (grant_id, delivery.at, delivery.address, delivery.sha256, delivery.size)
                connection.execute(
                    "INSERT INTO deliveries (grant_id, at, address, sha256, size) VALUES (?, ?, ?, ?, ?)", values
                )
            return after, True

        outcome, changed = await self._writer.run(change)
        if changed:
            self._board.announce(grant_id)
        return outcome

    async def deliveries(self, grant_id: str) -> Sequence[Delivery]:
        rows = self._read(
            "SELECT at, address, sha256, size FROM deliveries WHERE grant_id = ? ORDER BY at", (grant_id,)
        )
        return [Delivery(*row) for row in rows]

    async def collect_ended(self, unfetched_before: float, fetched_before: float, limit: int) -> int:
        values = (unfetched_before, fetched_before, limit)
        return await self._writer.run(lambda connection: connection.execute(_COLLECT, values).rowcount)

    def watch_grant(self, grant_id: str) -> AbstractContextManager[asyncio.Future[None]]:
        return self._board.watch(grant_id)

    async def check_writable(self) -> None:
        await self._writer.run(lambda connection: connection.execute("UPDATE write_check SET checked = checked + 1"))

    def _find(self, where: str, value: bytes | str) -> DeviceGrant | None:
        rows = self._read(f"{_SELECT} WHERE {where}", (value,))
        return _from_row(rows[0]) if rows else None

    def _read(self, statement: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._reader.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the database cannot be read ({error})") from error


def _to_row(grant: DeviceGrant) -> tuple[object, ...]:
    who, decision = grant.identity, grant.decision
    return (
        grant.grant_id, grant.client_id, who.uuid, who.serial, who.mac, who.hostname, grant.source_address,
        grant.user_code_digest, grant.device_code_digest, grant.token_salt, grant.opened_at, grant.expires_at,
        grant.state.value, decision and decision.by, decision and decision.at, decision and decision.reason,
        grant.entry, grant.token_digest or None, grant.token_expires_at, grant.delivered_at, grant.deliveries,
        grant.revoked_at,
    )  # fmt: skip


def _changed(grant: DeviceGrant) -> tuple[object, ...]:
    """What a step may change, in the order of _UPDATE."""
    return (*_to_row(grant)[12:], grant.grant_id)


def _from_row(row: Sequence[Any]) -> DeviceGrant:
    (
        grant_id, client_id, uuid, serial, mac, hostname, source_address, user_code_digest, device_code_digest,
        token_salt, opened_at, expires_at, state, decided_by, decided_at, decision_reason, entry, token_digest,
        token_expires_at, delivered_at, deliveries, revoked_at,
    ) = row  # fmt: skip
    return DeviceGrant(
        grant_id=grant_id,
        client_id=client_id,
        identity=MachineIdentity(uuid, serial, mac, hostname),
        source_address=source_address,
        user_code_digest=user_code_digest,
        device_code_digest=device_code_digest,
        token_salt=token_salt,
        opened_at=opened_at,
        expires_at=expires_at,
        state=GrantState(state),
        decision=None if decided_at is None else Decision(decided_by, decided_at, decision_reason),
        entry=entry,
        token_digest=token_digest or b"",
        token_expires_at=token_expires_at,
        delivered_at=delivered_at,
        deliveries=deliveries,
        revoked_at=revoked_at,
    )
