"""Devices that get push messages in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.push import Wishes
from bootgrant.ports.push import PushDevice
from support.memory.decisions import MemoryAuditLog
from support.memory.people import MemoryOperatorStore


class MemoryPushDeviceStore:
    """ports.push.PushDeviceStore. The devices are in the store of operators, which removes those of disabled ones."""

    def __init__(self, operators: MemoryOperatorStore, audit: MemoryAuditLog) -> None:
        self._operators = operators
        self._audit = audit

    async def put_device(self, device: PushDevice, audit: AuditEvent | None = None) -> None:
        self._operators.push_devices[device.device_id] = device
        await self._audit.append([audit] if audit else [])

    async def devices(self) -> Sequence[PushDevice]:
        devices = self._operators.push_devices.values()
        return sorted(devices, key=lambda device: (device.created_at, device.device_id))

    async def devices_of(self, operator: str) -> Sequence[PushDevice]:
        return [device for device in await self.devices() if device.operator == operator]

    async def set_wishes(self, operator: str, device_id: str, wishes: Wishes) -> bool:
        device = self._own(operator, device_id)
        if device is not None:
            self._operators.push_devices[device_id] = replace(device, wishes=wishes)
        return device is not None

    async def note_sent(self, device_id: str, at: float) -> None:
        if device := self._operators.push_devices.get(device_id):
            self._operators.push_devices[device_id] = replace(device, sent_at=at)

    async def note_failed(self, device_id: str, at: float, failure: str) -> None:
        if device := self._operators.push_devices.get(device_id):
            self._operators.push_devices[device_id] = replace(device, failed_at=at, failure=failure)

    async def remove_device(self, operator: str, device_id: str, audit: AuditEvent | None = None) -> bool:
        if self._own(operator, device_id) is None:
            return False
        del self._operators.push_devices[device_id]
        await self._audit.append([audit] if audit else [])
        return True

    async def remove_devices(self, operator: str) -> None:
        for device in await self.devices_of(operator):
            del self._operators.push_devices[device.device_id]

    def _own(self, operator: str, device_id: str) -> PushDevice | None:
        device = self._operators.push_devices.get(device_id)
        return device if device and device.operator == operator else None
