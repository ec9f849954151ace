"""ports.grants.BindingStore as rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bootgrant.ports.grants import Binding
from bootgrant.store.people.rows import Rows

_COLUMNS: Final = "digest, identity_key, address, entry, bound_at, expires_at, delivered_at"
_BIND: Final = f"INSERT INTO bindings ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, NULL) ON CONFLICT (digest) DO NOTHING"  # noqa: S608  (names)
_FIND: Final = f"SELECT {_COLUMNS} FROM bindings WHERE digest = ?"  # noqa: S608  (names of columns)
_DELIVERED: Final = "UPDATE bindings SET delivered_at = ? WHERE digest = ? AND delivered_at IS NULL RETURNING digest"
_FORGET: Final = (
    "DELETE FROM bindings WHERE digest IN (SELECT digest FROM bindings WHERE expires_at < ? LIMIT ?) RETURNING digest"
)


class BindingRows:
    """The first that binds wins, also over several servers: one statement that another cannot come between."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def bind(self, binding: Binding) -> Binding:
        asked = (binding.digest, binding.identity_key, binding.address, binding.entry)
        await self._rows.write((_BIND, (*asked, binding.bound_at, binding.expires_at)))
        row = (await self._rows.read(_FIND, binding.digest))[0]
        return Binding(bytes(row[0]), str(row[1]), str(row[2]), str(row[3]), *row[4:7])

    async def mark_delivered(self, digest: bytes, at: float) -> None:
        await self._rows.write((_DELIVERED, (at, digest)))

    async def forget_bindings(self, expired_before: float, limit: int) -> int:
        return len(await self._rows.write((_FORGET, (expired_before, limit))))


class MemoryBindingStore:
    """The same in a dictionary."""

    def __init__(self) -> None:
        self._bindings: dict[bytes, Binding] = {}

    async def bind(self, binding: Binding) -> Binding:
        return self._bindings.setdefault(binding.digest, binding)

    async def mark_delivered(self, digest: bytes, at: float) -> None:
        found = self._bindings.get(digest)
        if found is not None and found.delivered_at is None:
            self._bindings[digest] = replace(found, delivered_at=at)

    async def forget_bindings(self, expired_before: float, limit: int) -> int:
        over = [digest for digest, kept in self._bindings.items() if kept.expires_at < expired_before][:limit]
        for digest in over:
            del self._bindings[digest]
        return len(over)
