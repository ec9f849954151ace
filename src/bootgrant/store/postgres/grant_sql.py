"""The statements on grants, and grants as rows with a version. Plain SQL: one row, one condition, one index each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from bootgrant.approval.grant import DeviceGrant
from bootgrant.store.grant_rows import CHANGING, COLUMNS, changing_values, from_row, to_row
from bootgrant.store.postgres.connections import Connection
from bootgrant.store.postgres.texts import found, kept
from bootgrant.wire.identity import MachineIdentity, swapped_uuid

_NAMES = ", ".join(COLUMNS)
_SELECT = f"SELECT {_NAMES}, version FROM grants"  # noqa: S608  (names of columns)

BY: Final = {
    column: f"{_SELECT} WHERE {column} = ANY(%s)"
    for column in ("grant_id", "device_code_digest", "user_code_digest", "token_digest")
}
PENDING_SINCE: Final = (
    f"{_SELECT} WHERE state = 'pending' AND opened_at > %s AND expires_at > %s ORDER BY opened_at DESC LIMIT %s"
)
CENSUS: Final = (
    "SELECT (SELECT count(*) FROM grants WHERE state = 'pending' AND expires_at > %s), "
    "(SELECT min(opened_at) FROM grants WHERE state = 'pending' AND expires_at > %s), "
    "(SELECT count(*) FROM grants WHERE state = 'approved' AND expires_at > %s "
    "OR state = 'redeemed' AND token_expires_at > %s)"
)
PENDING: Final = f"{_SELECT} WHERE state = 'pending' AND expires_at > %s ORDER BY opened_at DESC LIMIT %s"
DENIED: Final = " UNION ".join(
    f"{_SELECT} WHERE state = 'denied' AND {variable} = ANY(%s) AND decided_at > %s"
    for variable in MachineIdentity.STRONG
)
LIVE_WITH: Final = " UNION ".join(
    f"{_SELECT} WHERE state = 'pending' AND {variable} = ANY(%s) AND expires_at > %s"
    for variable in MachineIdentity.STRONG
)
REPLACE: Final = (
    "UPDATE grants SET state = 'replaced', version = version + 1 "
    "WHERE state = 'pending' AND identity_key = %s AND source_address = %s RETURNING grant_id, version"
)
INSERT: Final = f"INSERT INTO grants (version, identity_key, {_NAMES}) VALUES (1, %s{', %s' * len(COLUMNS)})"  # noqa: S608  (names)
UPDATE: Final = (
    f"UPDATE grants SET version = version + 1, {', '.join(f'{name} = %s' for name in CHANGING)} "  # noqa: S608  (names)
    "WHERE grant_id = %s AND version = %s RETURNING grant_id"
)
ADD_DELIVERY: Final = "INSERT INTO deliveries (grant_id, at, address, sha256, size) VALUES (%s, %s, %s, %s, %s)"
DELIVERIES: Final = "SELECT at, address, sha256, size FROM deliveries WHERE grant_id = %s ORDER BY at"
_ENDED = (
    "(token_digest IS NULL AND expires_at < %(unfetched)s)",
    "(token_digest IS NOT NULL AND token_expires_at < %(fetched)s)",
)
COLLECT: Final = (
    f"DELETE FROM grants WHERE ({' OR '.join(_ENDED)}) AND grant_id IN ("  # noqa: S608  (constants of this file)
    f"SELECT grant_id FROM grants WHERE {_ENDED[0]} UNION ALL SELECT grant_id FROM grants WHERE {_ENDED[1]} "
    "LIMIT %(limit)s)"
)
CHECK: Final = "UPDATE write_check SET checked = checked + 1"


class Stored(NamedTuple):
    """A grant as it was read, and the version that a change of it must name."""

    grant: DeviceGrant
    version: int


def stored(row: Sequence[Any]) -> Stored:
    """A row of a grant and its version, as every SELECT here gives it."""
    return Stored(from_row([found(value) for value in row[:-1]]), row[-1])


async def find(column: str, keys: Sequence[object], connection: Connection) -> dict[object, Stored]:
    """The grants whose unique ``column`` is one of ``keys``, by it."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(BY[column], ([kept(key) for key in keys],))
    place = COLUMNS.index(column)
    return {found(row[place]): stored(row) for row in await cursor.fetchall()}


def spellings(identity: MachineIdentity, variable: str) -> list[str]:
    """How a row of this machine may have ``variable``, for DENIED and LIVE_WITH: a UUID in both byte orders."""
    value: str = getattr(identity, variable)
    if not value:
        return []
    return [kept(value), swapped_uuid(value)] if variable == "uuid" else [kept(value)]


def asking(grant: DeviceGrant) -> tuple[str, str]:
    """What only one pending grant may have; the parameters of REPLACE."""
    return kept(grant.identity.key), kept(grant.source_address)


def inserted(grant: DeviceGrant) -> tuple[object, ...]:
    """The parameters of INSERT."""
    return (kept(grant.identity.key), *(kept(value) for value in to_row(grant)))


def updated(after: DeviceGrant, version: int) -> tuple[object, ...]:
    """The parameters of UPDATE."""
    return (*(kept(value) for value in changing_values(after)), after.grant_id, version)
