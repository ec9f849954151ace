"""ports.people.PasskeyStore as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bootgrant.ports.people import Operator, Passkey
from bootgrant.store.people.operators import OPERATOR_COLUMNS, operator_of
from bootgrant.store.people.rows import Rows

_COLUMNS: Final = "p.credential_id, p.operator, p.handle, p.public_key, p.sign_count, p.name, p.created_at, p.used_at"
_WIDTH: Final = 8
_ADD: Final = (
    "INSERT INTO passkeys (credential_id, operator, handle, public_key, sign_count, name, created_at, used_at) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING name"
)
_FIND: Final = (
    f"SELECT {_COLUMNS}, {OPERATOR_COLUMNS} FROM passkeys p JOIN operators o ON o.name = p.operator "
    "WHERE p.credential_id = ?"
)
_USE: Final = (
    "UPDATE passkeys SET sign_count = ?, used_at = ? WHERE credential_id = ? AND sign_count = ? RETURNING name"
)
_REMOVE: Final = "DELETE FROM passkeys WHERE operator = ? AND credential_id = ? RETURNING name"


class PasskeyRows:
    """ports.people.PasskeyStore."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def add_passkey(self, passkey: Passkey) -> bool:
        values = (
            passkey.credential_id,
            passkey.operator,
            passkey.handle,
            passkey.public_key,
            passkey.sign_count,
            passkey.name,
            passkey.created_at,
            passkey.used_at,
        )
        return bool(await self._rows.write((_ADD, values)))

    async def passkeys_of(self, operator: str) -> Sequence[Passkey]:
        oldest = f"SELECT {_COLUMNS} FROM passkeys p WHERE p.operator = ? ORDER BY p.created_at, p.credential_id"
        return [Passkey(*row) for row in await self._rows.read(oldest, operator)]

    async def find_passkey(self, credential_id: bytes) -> tuple[Passkey, Operator] | None:
        rows = await self._rows.read(_FIND, credential_id)
        return (Passkey(*rows[0][:_WIDTH]), operator_of(rows[0][_WIDTH:])) if rows else None

    async def use_passkey(self, passkey: Passkey, sign_count: int, used_at: float) -> bool:
        values = (sign_count, used_at, passkey.credential_id, passkey.sign_count)
        return bool(await self._rows.write((_USE, values)))

    async def remove_passkey(self, operator: str, credential_id: bytes) -> bool:
        return bool(await self._rows.write((_REMOVE, (operator, credential_id))))

    async def remove_passkeys(self, operator: str) -> None:
        await self._rows.write(("DELETE FROM passkeys WHERE operator = ?", (operator,)))
