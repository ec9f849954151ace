"""Subscriptions to push messages as the database has them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from bootgrant.ports.providers import Sealing
from bootgrant.ports.push import PushDevice, Subscription
from bootgrant.wire.secret import Secret


@dataclass(frozen=True, slots=True)
class SealedSubscriptions:
    """Encrypts them with ``key``, which all servers of a site share."""

    sealing: Sealing
    key: Secret

    def seal(self, subscription: Subscription) -> str:
        members = (subscription.endpoint.reveal(), subscription.p256dh, subscription.auth.reveal())
        return self.sealing.seal(self.key, json.dumps(members))

    def unseal(self, device: PushDevice) -> Subscription | None:
        """Return a device's subscription, or None if it was sealed with another key."""
        found = self.sealing.unseal(self.key, device.sealed)
        if found is None:
            return None
        endpoint, p256dh, auth = json.loads(found.reveal())
        return Subscription(Secret(endpoint), p256dh, Secret(auth))
