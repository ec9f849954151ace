"""Whose token it is decides the way: our own grants first, then the outside providers of the site."""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.ports.providers import TokenRefusal
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.workflows.machine.deliver_config import ConfigReady, DeliverConfig, DeliveryRefusal
from bootgrant.workflows.machine.deliver_outside import DeliverOutside, OutsideReady

Ready = ConfigReady | OutsideReady
Refused = DeliveryRefusal | TokenRefusal


@dataclass(frozen=True, slots=True)
class DeliverToBearer:
    """``outside`` is None for a site without ``[[providers]]``."""

    own: DeliverConfig
    outside: DeliverOutside | None = None

    async def __call__(self, token: Secret, claimed: MachineIdentity, address: str) -> Ready | Refused:
        """The configuration for who bears this token, from ``address``.

        Raises StoreUnavailable, ConfigUnavailable and ProviderUnavailable.
        """
        outcome = await self.own(token, claimed)
        if outcome is DeliveryRefusal.INVALID_TOKEN and self.outside is not None:
            return await self.outside(token, claimed, address)
        return outcome

    async def record(self, ready: Ready, address: str) -> None:
        """Note that the whole configuration left for ``address``. Raises StoreUnavailable."""
        if isinstance(ready, ConfigReady):
            await self.own.record(ready, address)
        elif self.outside is not None:
            await self.outside.record(ready, address)
