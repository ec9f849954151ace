"""Grants as rows of SQLite: reads on a connection of the event loop's thread, writes through the one writer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from bootgrant.approval.grant import Decision, DeviceGrant, GrantState, Refusal
from bootgrant.ports.grant_store import GrantRule, StoreUnavailable, UserCodeTaken
from bootgrant.store.changes import ChangeBoard
from bootgrant.store.sqlite.writer import Writer
from bootgrant.wire.identity import MachineIdentity

_COLUMNS = (
    "grant_id, client_id, uuid, serial, mac, hostname, source_address, user_code_digest, device_code_digest, "
    "token_salt, opened_at, expires_at, state, decided_by, decided_at, decision_reason, entry, token_digest, "
    "token_expires_at, delivered_at, deliveries"
)
_SELECT = f"SELECT {_COLUMNS} FROM grants"  # noqa: S608  (constants of this file)
_INSERT = f"INSERT INTO grants ({_COLUMNS}) VALUES ({', '.join('?' * 21)})"  # noqa: S608  (constants of this file)
_UPDATE = (
    "UPDATE grants SET state = ?, decided_by = ?, decided_at = ?, decision_reason = ?, entry = ?, token_digest = ?, "
    "token_expires_at = ?, delivered_at = ?, deliveries = ? WHERE grant_id = ?"
)


class SqliteGrantStore:
    """ports.grant_store.GrantStore on one SQLite file."""

    def __init__(self, writer: Writer, reader: sqlite3.Connection) -> None:
        self._writer = writer
        self._reader = reader
        self._board = ChangeBoard()

    async def open_grant(self, grant: DeviceGrant) -> None:
        def insert(connection: sqlite3.Connection) -> None:
            try:
                connection.execute(_INSERT, _to_row(grant))
            except sqlite3.IntegrityError as error:
                if error.sqlite_errorname == "SQLITE_CONSTRAINT_UNIQUE":
                    raise UserCodeTaken from error
                raise

        await self._writer.run(insert)

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

    async def change_grant(self, grant_id: str, rule: GrantRule) -> DeviceGrant | Refusal:
        def change(connection: sqlite3.Connection) -> tuple[DeviceGrant | Refusal, bool]:
            row = connection.execute(f"{_SELECT} WHERE grant_id = ?", (grant_id,)).fetchone()
            if row is None:
                return Refusal.UNKNOWN, False
            before = _from_row(row)
            after = rule(before)
            if isinstance(after, Refusal) or after == before:
                return after, False
            connection.execute(_UPDATE, _changed(after))
            return after, True

        outcome, changed = await self._writer.run(change)
        if changed:
            self._board.announce(grant_id)
        return outcome

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
    )  # fmt: skip


def _changed(grant: DeviceGrant) -> tuple[object, ...]:
    """What a step may change, in the order of _UPDATE."""
    return (*_to_row(grant)[12:], grant.grant_id)


def _from_row(row: Sequence[Any]) -> DeviceGrant:
    (
        grant_id, client_id, uuid, serial, mac, hostname, source_address, user_code_digest, device_code_digest,
        token_salt, opened_at, expires_at, state, decided_by, decided_at, decision_reason, entry, token_digest,
        token_expires_at, delivered_at, deliveries,
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
    )
