"""Push messages to phones and browsers (RFC 8030): the devices, and what sends a message to one of them.

A push service passes messages on. It sees how long they are at most, when they are sent, and to which device; not what
they say, which is encrypted for the browser (RFC 8291).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.push import Wishes
from bootgrant.ports.notifications import NotSent
from bootgrant.wire.secret import Secret


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a browser's PushSubscription gives: where to send, and the keys of the browser (RFC 8291 section 2).

    Anyone who knows ``endpoint`` may send to the device, so it is as secret as ``auth``. ``p256dh`` is a public key.
    """

    endpoint: Secret
    p256dh: str
    auth: Secret


@dataclass(frozen=True, slots=True)
class PushDevice:
    """A browser in which an operator turned push on.

    ``sealed`` is its subscription, encrypted with a key of the server.
    ``service`` is the host of the push service, ``browser`` the User-Agent that turned it on. ``sent_at`` is when the
    last message was accepted, ``failed_at`` when the last one was not, and ``failure`` why. Times are Unix seconds.
    """

    device_id: str
    operator: str
    service: str
    browser: str
    sealed: str = field(repr=False)
    wishes: Wishes
    created_at: float
    sent_at: float | None = None
    failed_at: float | None = None
    failure: str = ""


class PushDeviceStore(Protocol):
    """Every method may raise StoreUnavailable (ports.grants). An operator who is disabled loses their devices."""

    async def put_device(self, device: PushDevice, audit: AuditEvent | None = None) -> None:
        """Store a device. One with the same id is replaced, also that of another operator."""

    async def devices(self) -> Sequence[PushDevice]:
        """Return all devices, oldest first."""

    async def devices_of(self, operator: str) -> Sequence[PushDevice]:
        """Return the devices of an operator, oldest first."""

    async def set_wishes(self, operator: str, device_id: str, wishes: Wishes) -> bool:
        """Change what a device is notified of. Return False when this operator does not have it."""

    async def note_sent(self, device_id: str, at: float) -> None:
        """Store that a message was accepted."""

    async def note_failed(self, device_id: str, at: float, failure: str) -> None:
        """Store why a message was not accepted."""

    async def remove_device(self, operator: str, device_id: str, audit: AuditEvent | None = None) -> bool:
        """Delete a device. Return False when this operator does not have it."""

    async def remove_devices(self, operator: str) -> None:
        """Delete all devices of an operator."""


@dataclass(frozen=True, slots=True)
class PushNote:
    """What a device shows. ``link`` is a path of the pages.

    ``tag`` replaces an earlier note with the same tag, on the device and while it waits at the push service. It waits
    there for ``ttl`` seconds.
    """

    title: str
    body: str
    link: str
    tag: str
    ttl: int


class SubscriptionGone(NotSent):
    """The push service does not know the subscription any more: it has expired, or the browser has ended it."""


class PushService(Protocol):
    def problem(self, subscription: Subscription) -> str:
        """Return why nothing can be sent to this subscription, as one line; empty when it can."""

    async def send(self, subscription: Subscription, note: PushNote) -> None:
        """Return when the push service has accepted the note. Raise NotSent, and SubscriptionGone."""
