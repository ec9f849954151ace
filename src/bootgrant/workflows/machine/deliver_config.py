"""A machine fetches its configuration with its token: the one that was approved, for the identity that was bound."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from bootgrant.approval.codes import access_token_digest
from bootgrant.approval.grant import Delivery, DeviceGrant, GrantRules, GrantState
from bootgrant.ports.configurations import ConfigSource, Rendered
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.time import Clock
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.workflows.record.audit_events import delivered


class DeliveryRefusal(Enum):
    """Why no configuration leaves; the value is what the machine's console shows, at most 32 bytes of ASCII."""

    INVALID_TOKEN = "token unknown: ask again"  # noqa: S105  (a message)
    USED_TOKEN = "token used: ask again"  # noqa: S105  (a message)
    REVOKED_TOKEN = "token revoked by an operator"  # noqa: S105  (a message)
    EXPIRED_TOKEN = "token expired: ask again"  # noqa: S105  (a message)
    OTHER_IDENTITY = "not the machine approved"
    CHANGED_ENTRY = "entry changed since: ask again"
    NO_CONFIG = "no config for this machine yet"
    NO_IDENTITY = "no uuid, serial or mac in URL"
    NOT_ALLOWED = "approver has no right to this"
    CONTROL_PLANE = "control plane: not by this token"
    OTHER_NETWORK = "not in its expected network"
    OTHER_MACHINE = "token used by another machine"
    BAD_TOKENS = "too many bad tokens: wait"


@dataclass(frozen=True, slots=True)
class ConfigReady:
    """The configuration to send."""

    grant: DeviceGrant
    rendered: Rendered


@dataclass(frozen=True, slots=True)
class DeliverConfig:
    store: GrantStore
    source: ConfigSource
    clock: Clock
    rules: GrantRules

    async def __call__(self, token: Secret, claimed: MachineIdentity) -> ConfigReady | DeliveryRefusal:
        """What this token is for. ``claimed`` (from the query) chooses nothing; it can only contradict.

        The configuration is made from what is valid now; an entry that has another name, other labels or another
        ``machine.type`` than the one that was approved needs a new approval.

        Raises StoreUnavailable and ConfigUnavailable.
        """
        grant = await self.store.find_by_token(access_token_digest(token))
        if grant is None:
            return DeliveryRefusal.INVALID_TOKEN
        now = self.clock.now()
        if grant.state is GrantState.REVOKED:
            return DeliveryRefusal.REVOKED_TOKEN
        if grant.token_expires_at <= now:
            return DeliveryRefusal.EXPIRED_TOKEN
        if grant.token_ends_at(self.rules) <= now:
            return DeliveryRefusal.USED_TOKEN
        if grant.identity.contradicts(claimed):
            return DeliveryRefusal.OTHER_IDENTITY
        rendered = await self.source.render(grant.entry, grant.identity)
        if rendered is None:
            return DeliveryRefusal.NO_CONFIG
        if grant.fingerprint and grant.fingerprint != rendered.entry.fingerprint:
            return DeliveryRefusal.CHANGED_ENTRY
        return ConfigReady(grant, rendered)

    async def record(self, ready: ConfigReady, address: str) -> None:
        """Note that the whole configuration left for ``address``. Raises StoreUnavailable."""
        now = self.clock.now()
        delivery = Delivery(now, address, ready.rendered.sha256, len(ready.rendered.config))
        await self.store.change_grant(
            ready.grant.grant_id,
            lambda stored: stored.deliver(self.rules, now),
            delivery,
            delivered(delivery, ready.rendered.entry.revision, ready.rendered.composer),
        )
