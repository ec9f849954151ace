"""Assignments, armed windows, and bindings of outside tokens as rows of either database."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from typing import Final

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.operators import Author
from bootgrant.approval.policy import Conditions, Window, parse_selector
from bootgrant.ports.grants import Assignment, AuditOfWindow, Binding
from bootgrant.store.rows import Row, RowStore, Value, insert_into, listed
from bootgrant.wire.identity import MachineIdentity

_ASSIGNMENT: Final = ("identity_key", "uuid", "serial", "mac", "entry", "assigned_by", "at")
_ASSIGNMENTS: Final = f"SELECT {listed(_ASSIGNMENT)} FROM assignments"
_ASSIGN: Final = (
    f"{insert_into('assignments', _ASSIGNMENT)} ON CONFLICT (identity_key) DO UPDATE "
    "SET entry = excluded.entry, assigned_by = excluded.assigned_by, at = excluded.at"
)
_UNASSIGN: Final = "DELETE FROM assignments WHERE identity_key = ? RETURNING identity_key"
_SHARING: Final = " OR ".join(f"({name} <> '' AND {name} = ?)" for name in MachineIdentity.STRONG)

_WINDOW: Final = (
    "window_id", "name", "conditions", "armed_by", "author", "author_via", "armed_at", "until", "count", "used",
)  # fmt: skip
_WINDOWS: Final = f"SELECT {listed(_WINDOW)} FROM windows ORDER BY armed_at"
_DISARM: Final = f"DELETE FROM windows WHERE window_id = ? RETURNING {listed(_WINDOW)}"
_TAKE: Final = (
    "UPDATE windows SET used = used + 1 WHERE window_id = ? AND used < count AND until > ? RETURNING window_id"
)
_GIVE_BACK: Final = "UPDATE windows SET used = used - 1 WHERE window_id = ? AND used > 0 RETURNING window_id"

_BINDING: Final = ("digest", "identity_key", "address", "entry", "bound_at", "expires_at", "delivered_at")
_BIND: Final = f"{insert_into('bindings', _BINDING)} ON CONFLICT (digest) DO NOTHING"
_BOUND: Final = f"SELECT {listed(_BINDING)} FROM bindings WHERE digest = ?"
_DELIVERED: Final = "UPDATE bindings SET delivered_at = ? WHERE digest = ? AND delivered_at IS NULL RETURNING digest"
_FORGET: Final = (
    "DELETE FROM bindings WHERE digest IN (SELECT digest FROM bindings WHERE expires_at < ? LIMIT ?) RETURNING digest"
)


class AssignmentRows(RowStore):
    """ports.grants.AssignmentStore."""

    async def put(self, assignment: Assignment) -> None:
        machine = assignment.identity
        searched = (machine.key, machine.uuid, machine.serial, machine.mac)
        await self._rows.write((_ASSIGN, (*searched, assignment.entry, assignment.by, assignment.at)))

    async def sharing(self, identity: MachineIdentity) -> Sequence[Assignment]:
        values = (identity.uuid, identity.serial, identity.mac)
        rows = await self._rows.read(f"{_ASSIGNMENTS} WHERE {_SHARING} ORDER BY at DESC", *values)
        return [_assignment(row) for row in rows]

    async def remove(self, identity_key: str) -> bool:
        return bool(await self._rows.write((_UNASSIGN, (identity_key,))))

    async def assignments(self) -> Sequence[Assignment]:
        return [_assignment(row) for row in await self._rows.read(f"{_ASSIGNMENTS} ORDER BY at DESC")]


def _assignment(row: Row) -> Assignment:
    _, uuid, serial, mac, entry, by, at = row
    return Assignment(MachineIdentity(uuid, serial, mac), entry, by, at)


class WindowRows(RowStore):
    """ports.grants.WindowStore. One conditional statement takes a place, so servers share the count."""

    async def arm(self, window: Window, audit: AuditEvent | None = None) -> None:
        insert = f"{insert_into('windows', _WINDOW)} RETURNING window_id"
        await self._rows.write((insert, _window_row(window)), audit=(lambda _: audit) if audit else None)

    async def disarm(self, window_id: str, audit: AuditOfWindow | None = None) -> bool:
        event = (lambda row: audit(_window(row))) if audit else None
        return bool(await self._rows.write((_DISARM, (window_id,)), audit=event))

    async def windows(self) -> Sequence[Window]:
        return [_window(row) for row in await self._rows.read(_WINDOWS)]

    async def take_place(self, window_id: str, now: float) -> bool:
        return bool(await self._rows.write((_TAKE, (window_id, now))))

    async def give_back(self, window_id: str) -> None:
        await self._rows.write((_GIVE_BACK, (window_id,)))

    async def forget_before(self, until: float) -> None:
        await self._rows.write(("DELETE FROM windows WHERE until < ?", (until,)))


def _window_row(window: Window) -> tuple[Value, ...]:
    conditions = {
        "select": [str(selector) for selector in window.conditions.select],
        "networks": [str(network) for network in window.conditions.networks],
        "evidence": list(window.conditions.evidence),
    }
    return (
        window.window_id, window.name, json.dumps(conditions), window.by, window.author.name, window.author.via,
        window.armed_at, window.until, window.count, window.used,
    )  # fmt: skip


def _window(row: Row) -> Window:
    window_id, name, text, _, author, via, armed_at, until, count, used = row
    stored = json.loads(text)
    conditions = Conditions(
        tuple(parse_selector(selector) for selector in stored["select"]),
        tuple(ipaddress.ip_network(network) for network in stored["networks"]),
        tuple(stored["evidence"]),
    )
    return Window(window_id, name, conditions, Author(author, via), armed_at, until, count, used)


class BindingRows(RowStore):
    """ports.grants.BindingStore. One statement binds, so of several servers the first one wins."""

    async def bind(self, binding: Binding) -> Binding:
        machine = (binding.digest, binding.identity_key, binding.address, binding.entry)
        await self._rows.write((_BIND, (*machine, binding.bound_at, binding.expires_at, None)))
        [row] = await self._rows.read(_BOUND, binding.digest)
        return Binding(*row)

    async def mark_delivered(self, digest: bytes, at: float) -> None:
        await self._rows.write((_DELIVERED, (at, digest)))

    async def forget_bindings(self, expired_before: float, limit: int) -> int:
        return len(await self._rows.write((_FORGET, (expired_before, limit))))
