"""A machine fetches its configuration with a bearer token: our own, or one of an outside provider."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bootgrant.ports.providers import TokenRefusal
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.workflows.machine.deliver import ConfigReady, DeliverConfig, DeliveryRefusal
from bootgrant.workflows.machine.deliver_outside import DeliverOutside, OutsideReady

Ready = ConfigReady | OutsideReady
Refused = DeliveryRefusal | TokenRefusal


@dataclass(frozen=True, slots=True)
class DeliverToBearer:
    """Delivery for any bearer token; ``outside`` is None for a site without ``[[providers]]``.

    ``recorded`` is called after a delivery was recorded.
    """

    own: DeliverConfig
    outside: DeliverOutside | None = None
    recorded: Callable[[], None] = lambda: None

    async def __call__(
        self, token: Secret, claimed: MachineIdentity, address: str, others: Sequence[MachineIdentity] = ()
    ) -> Ready | Refused:
        """Return the configuration for this token, presented from ``address``. ``claimed`` and ``others`` are the
        readings of the query (MachineIdentity.readings).

        Raises StoreUnavailable, ConfigUnavailable and ProviderUnavailable.
        """
        outcome = await self.own(token, claimed, address, others)
        if outcome is DeliveryRefusal.INVALID_TOKEN and self.outside is not None:
            # Here the query selects the entry, so it must not name two machines.
            if any(claimed.contradicts(other) for other in others):
                return DeliveryRefusal.TWO_IDENTITIES
            return await self.outside(token, claimed, address)
        return outcome

    async def record(self, ready: Ready, address: str) -> None:
        """Record a complete delivery to ``address``. Raises StoreUnavailable."""
        if isinstance(ready, ConfigReady):
            await self.own.record(ready, address)
        elif self.outside is not None:
            await self.outside.record(ready, address)
        self.recorded()
