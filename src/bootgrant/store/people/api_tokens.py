"""ports.people.ApiTokenStore as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bootgrant.approval.operators import Role
from bootgrant.ports.people import ApiToken
from bootgrant.store.people.operators import labels_of, labels_text
from bootgrant.store.people.rows import Row, Rows

_COLUMNS: Final = "name, digest, role, labels, created_at, created_by, expires_at, used_at, owner"
_ADD: Final = (
    f"INSERT INTO api_tokens ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING name"
)


class ApiTokenRows:
    """ports.people.ApiTokenStore."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def add_token(self, token: ApiToken) -> bool:
        values = (
            token.name,
            token.digest,
            token.role.value,
            labels_text(token.labels),
            token.created_at,
            token.created_by,
            token.expires_at,
            token.used_at,
            token.owner,
        )
        return bool(await self._rows.write((_ADD, values)))

    async def tokens(self) -> Sequence[ApiToken]:
        return [_token(row) for row in await self._rows.read(f"SELECT {_COLUMNS} FROM api_tokens ORDER BY name")]

    async def find_token(self, digest: bytes) -> ApiToken | None:
        rows = await self._rows.read(f"SELECT {_COLUMNS} FROM api_tokens WHERE digest = ?", digest)
        return _token(rows[0]) if rows else None

    async def touch_token(self, digest: bytes, used_at: float) -> None:
        await self._rows.write(("UPDATE api_tokens SET used_at = ? WHERE digest = ?", (used_at, digest)))

    async def remove_token(self, name: str) -> bool:
        return bool(await self._rows.write(("DELETE FROM api_tokens WHERE name = ? RETURNING name", (name,))))


def _token(row: Row) -> ApiToken:
    name, digest, role, labels, *rest = row
    return ApiToken(name, digest, Role(role), labels_of(labels), *rest)
