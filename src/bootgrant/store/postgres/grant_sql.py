"""The statements on grants, and grants as rows with a version. Plain SQL: one row, one condition, one index each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from bootgrant.approval.grant import DeviceGrant
from bootgrant.store.grant_rows import CHANGING, COLUMNS, DELIVERY, from_row, to_changing_values, to_row
from bootgrant.store.postgres.connections import Connection
from bootgrant.store.postgres.rows import escaped, unescaped
from bootgrant.store.rows import insert_into, listed
from bootgrant.wire.identity import MachineIdentity, swapped_uuid

_SELECT = f"SELECT {listed(COLUMNS)}, version FROM grants"

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
DENIALS: Final = (
    f"{_SELECT} WHERE state = 'denied' AND undenied_at IS NULL AND decided_at > %s ORDER BY decided_at DESC LIMIT %s"
)
DENIED: Final = " UNION ".join(
    f"{_SELECT} WHERE state = 'denied' AND {variable} = ANY(%s) AND decided_at > %s"
    for variable in MachineIdentity.STRONG
)
LIVE_WITH: Final = " UNION ".join(
    f"{_SELECT} WHERE state = 'pending' AND {variable} = ANY(%s) AND expires_at > %s"
    for variable in MachineIdentity.STRONG
)
LAST_DECIDED: Final = f"{_SELECT} WHERE decided_at IS NOT NULL AND decided_at > %s AND identity_key = ANY(%s)"
UNDELIVERED: Final = f"{_SELECT} WHERE state IN ('approved', 'redeemed')"
REPLACE: Final = (
    "UPDATE grants SET state = 'replaced', replaced_by = %s, version = version + 1 "
    f"WHERE state = 'pending' AND identity_key = %s AND source_address = %s RETURNING {listed(COLUMNS)}, version"
)
INSERT: Final = insert_into("grants", ("version", "identity_key", *COLUMNS), "%s")
UPDATE: Final = (
    f"UPDATE grants SET version = version + 1, {', '.join(f'{name} = %s' for name in CHANGING)} "
    "WHERE grant_id = %s AND version = %s RETURNING grant_id"
)
ADD_DELIVERY: Final = insert_into("deliveries", DELIVERY, "%s")
DELIVERIES: Final = "SELECT at, address, sha256, size FROM deliveries WHERE grant_id = %s ORDER BY at"
_ENDED = (
    "(token_digest IS NULL AND expires_at < %(unfetched)s)",
    "(token_digest IS NOT NULL AND token_expires_at < %(fetched)s)",
)
COLLECT: Final = (
    f"DELETE FROM grants WHERE ({' OR '.join(_ENDED)}) AND grant_id IN ("
    f"SELECT grant_id FROM grants WHERE {_ENDED[0]} UNION ALL SELECT grant_id FROM grants WHERE {_ENDED[1]} "
    "LIMIT %(limit)s)"
)
CHECK: Final = "UPDATE write_check SET checked = checked + 1"


class Stored(NamedTuple):
    """A grant as it was read, and the version that a change of it must name."""

    grant: DeviceGrant
    version: int


def stored(row: Sequence[Any]) -> Stored:
    """Return the grant and version in a row of any SELECT of this module."""
    return Stored(from_row([unescaped(value) for value in row[:-1]]), row[-1])


async def find(column: str, keys: Sequence[object], connection: Connection) -> dict[object, Stored]:
    """Return the grants whose unique ``column`` is one of ``keys``, by that key."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(BY[column], ([escaped(key) for key in keys],))
    place = COLUMNS.index(column)
    return {unescaped(row[place]): stored(row) for row in await cursor.fetchall()}


def spellings(identity: MachineIdentity, variable: str) -> list[str]:
    """Return how a row of this machine may spell ``variable``, for DENIED and LIVE_WITH: a UUID in both byte orders."""
    value: str = getattr(identity, variable)
    if not value:
        return []
    return [escaped(value), swapped_uuid(value)] if variable == "uuid" else [escaped(value)]


def machine_of(grant: DeviceGrant) -> tuple[str, str]:
    """Return the identity and address that only one pending grant may have; the last parameters of REPLACE."""
    return escaped(grant.identity.key), escaped(grant.source_address)


def to_insert(grant: DeviceGrant) -> tuple[object, ...]:
    """Return the parameters of INSERT for a new grant."""
    return (1, escaped(grant.identity.key), *(escaped(value) for value in to_row(grant)))


def to_update(after: DeviceGrant, version: int) -> tuple[object, ...]:
    """Return the parameters of UPDATE."""
    return (*(escaped(value) for value in to_changing_values(after)), after.grant_id, version)
