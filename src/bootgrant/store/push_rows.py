"""Devices that get push messages, as rows of either database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.policy import parse_selector
from bootgrant.approval.push import Wishes
from bootgrant.ports.push import PushDevice
from bootgrant.store.rows import Row, RowStore, Value, insert_into, listed

_WISHES: Final = ("known", "unknown", "second", "selectors")
_DEVICE: Final = (
    "device_id", "operator", "service", "browser", "sealed", *_WISHES, "created_at", "sent_at", "failed_at", "failure"
)  # fmt: skip
_REPLACED: Final = ", ".join(f"{name} = excluded.{name}" for name in _DEVICE[1:])
_PUT: Final = f"{insert_into('push_devices', _DEVICE)} ON CONFLICT (device_id) DO UPDATE SET {_REPLACED}"
_DEVICES: Final = f"SELECT {listed(_DEVICE)} FROM push_devices"
_OLDEST_FIRST: Final = "ORDER BY created_at, device_id"
_OWN: Final = "WHERE operator = ? AND device_id = ? RETURNING device_id"
REMOVE_ALL: Final = "DELETE FROM push_devices WHERE operator = ?"


class PushDeviceRows(RowStore):
    """ports.push.PushDeviceStore."""

    async def put_device(self, device: PushDevice, audit: AuditEvent | None = None) -> None:
        values = (
            device.device_id, device.operator, device.service, device.browser, device.sealed, *_written(device.wishes),
            device.created_at, device.sent_at, device.failed_at, device.failure,
        )  # fmt: skip
        put = f"{_PUT} RETURNING device_id"
        await self._rows.write((put, values), audit=(lambda _: audit) if audit else None)

    async def devices(self) -> Sequence[PushDevice]:
        return [_device(row) for row in await self._rows.read(f"{_DEVICES} {_OLDEST_FIRST}")]

    async def devices_of(self, operator: str) -> Sequence[PushDevice]:
        rows = await self._rows.read(f"{_DEVICES} WHERE operator = ? {_OLDEST_FIRST}", operator)
        return [_device(row) for row in rows]

    async def set_wishes(self, operator: str, device_id: str, wishes: Wishes) -> bool:
        change = f"UPDATE push_devices SET {' = ?, '.join(_WISHES)} = ? {_OWN}"
        return bool(await self._rows.write((change, (*_written(wishes), operator, device_id))))

    async def note_sent(self, device_id: str, at: float) -> None:
        await self._rows.write(("UPDATE push_devices SET sent_at = ? WHERE device_id = ?", (at, device_id)))

    async def note_failed(self, device_id: str, at: float, failure: str) -> None:
        note = "UPDATE push_devices SET failed_at = ?, failure = ? WHERE device_id = ?"
        await self._rows.write((note, (at, failure, device_id)))

    async def remove_device(self, operator: str, device_id: str, audit: AuditEvent | None = None) -> bool:
        remove = f"DELETE FROM push_devices {_OWN}"
        event = (lambda _: audit) if audit else None
        return bool(await self._rows.write((remove, (operator, device_id)), audit=event))

    async def remove_devices(self, operator: str) -> None:
        await self._rows.write((REMOVE_ALL, (operator,)))


def _written(wishes: Wishes) -> tuple[Value, ...]:
    selectors = json.dumps([str(selector) for selector in wishes.selectors])
    return (int(wishes.known), int(wishes.unknown), int(wishes.second), selectors)


def _device(row: Row) -> PushDevice:
    device_id, operator, service, browser, sealed, known, unknown, second, selectors, *rest = row
    parsed = tuple(parse_selector(text) for text in json.loads(selectors))
    wishes = Wishes(bool(known), bool(unknown), bool(second), parsed)
    return PushDevice(device_id, operator, service, browser, sealed, wishes, *rest)
