"""An operator's own phones and browsers that get push messages: turned on, tested, changed, turned off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.operators import Actor, Refused
from bootgrant.approval.push import Wishes
from bootgrant.ports.notifications import NotSent
from bootgrant.ports.people import Operator
from bootgrant.ports.push import PushDevice, PushDeviceStore, PushNote, PushService, Subscription, SubscriptionGone
from bootgrant.ports.time import Clock
from bootgrant.workflows.record.audit import Change, operator_changed
from bootgrant.workflows.record.sealed_subscriptions import SealedSubscriptions

MOST_DEVICES: Final = 20
"""Devices of one operator."""

_LONGEST: Final = 2000
_BROWSER: Final = 300
_ID: Final = 32
_TEST_TTL: Final = 60


@dataclass(frozen=True, slots=True)
class PushDevices:
    """Every method may raise StoreUnavailable. ``public_key`` is what browsers subscribe for."""

    store: PushDeviceStore
    service: PushService
    sealed: SealedSubscriptions
    clock: Clock
    site_name: str
    public_key: str

    async def of(self, operator: str) -> Sequence[PushDevice]:
        """Return the devices of an operator, oldest first."""
        return await self.store.devices_of(operator)

    async def turn_on(
        self, operator: Operator, actor: Actor, subscription: Subscription, browser: str, wishes: Wishes
    ) -> PushDevice | Refused:
        """Store a device; one that exists gets the new wishes, and belongs to ``operator`` from now on."""
        endpoint = subscription.endpoint.reveal()
        if len(endpoint) > _LONGEST:
            return Refused("the address of the push service is too long")
        if problem := self.service.problem(subscription):
            return Refused(problem)
        device_id, now = sha256(endpoint.encode()).hexdigest()[:_ID], self.clock.now()
        others = [each for each in await self.of(operator.name) if each.device_id != device_id]
        if len(others) >= MOST_DEVICES:
            return Refused(f"you have {MOST_DEVICES} devices already: turn one off first")
        sealed, host = self.sealed.seal(subscription), urlsplit(endpoint).hostname or ""
        device = PushDevice(device_id, operator.name, host, browser[:_BROWSER], sealed, wishes, now)
        await self.store.put_device(device, self._event(operator, actor, "turned on push messages for a device", host))
        return device

    async def change(self, operator: str, device_id: str, wishes: Wishes) -> bool:
        """Change what a device is notified of. Return False when the operator does not have it."""
        return await self.store.set_wishes(operator, device_id, wishes)

    async def turn_off(self, operator: Operator, actor: Actor, device_id: str) -> bool:
        """Delete a device. Return False when the operator does not have it."""
        device = await self._own(operator.name, device_id)
        if device is None:
            return False
        event = self._event(operator, actor, "turned off push messages for a device", device.service)
        return await self.store.remove_device(operator.name, device_id, event)

    async def test(self, operator: str, device_id: str) -> Refused | None:
        """Send a test message to a device. Return None when the push service has accepted it."""
        device = await self._own(operator, device_id)
        subscription = self.sealed.unseal(device) if device else None
        if device is None or subscription is None:
            return Refused("this device cannot be reached any more: turn it on again")
        body = "This is a test. No machine is waiting."
        note = PushNote(self.site_name, body, "/account#push", "test", _TEST_TTL)
        try:
            await self.service.send(subscription, note)
        except SubscriptionGone as error:
            await self.store.remove_device(operator, device_id)
            return Refused(f"{error}: turn it on again")
        except NotSent as error:
            await self.store.note_failed(device_id, self.clock.now(), str(error))
            return Refused(str(error))
        await self.store.note_sent(device_id, self.clock.now())
        return None

    async def _own(self, operator: str, device_id: str) -> PushDevice | None:
        return next((device for device in await self.of(operator) if device.device_id == device_id), None)

    def _event(self, operator: Operator, actor: Actor, done: str, service: str) -> AuditEvent:
        change = Change(self.clock.now(), actor, f"{done} at {service}")
        return operator_changed(change, operator.name, operator, operator)
