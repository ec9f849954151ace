"""A machine fetches its configuration with a token of an outside provider.

Such a token says which person approved, not which machine: the identity is what the query claims. Three things keep
machines apart then: the rules for that person, the networks where the entry is expected, and the token itself, which
works only for the first machine and address that present it.

A refusal ends the token for the machine (it asks for a new one) if the same token can never be accepted: the claims in
a JWT are the person's until it expires, and a token that serves one machine serves no other. At another address it does
not end: a machine with IPv4 and IPv6 may come back to the first one.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
from dataclasses import dataclass, field

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.claims import NotAllowed, Person, allowing_rule
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.policy import is_in
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.configurations import ConfigSource, MachineEntry, Rendered
from bootgrant.ports.grants import Binding, BindingStore
from bootgrant.ports.providers import TokenRefusal, TokenVerifier, Verified
from bootgrant.ports.time import Clock
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.wire.unverified_jwt import lasting_part
from bootgrant.workflows.limits.rates import AttemptLimit, WhenFull, address_key
from bootgrant.workflows.machine.deliver import DeliveryRefusal, FindEntry
from bootgrant.workflows.record.recording import RecordTokenRefusals, token_refused

log = logging.getLogger("bootgrant.machines")


@dataclass(frozen=True, slots=True)
class OutsideReady:
    """The configuration to send, the person who approved, and the token's binding."""

    person: Person
    identity: MachineIdentity
    binding: Binding
    rendered: Rendered


def _bad_tokens() -> AttemptLimit:
    """Limit invalid tokens per address: each one is a request to the provider, which could end up refusing valid ones
    too. Machines behind one address that return with expired tokens stay far below this limit."""
    return AttemptLimit(burst=300, every=0.25, when_full=WhenFull.ALLOW)


@dataclass(slots=True)
class DeliverOutside:
    """Delivery for tokens of outside providers.

    ``kept`` is how long a token's binding is kept when the provider does not say when the token expires, in seconds.
    ``unchanging`` names the providers whose tokens contain the person's claims, which are the same until they expire.
    """

    verifier: TokenVerifier
    find_entry: FindEntry
    source: ConfigSource
    bindings: BindingStore
    audit: AuditLog
    clock: Clock
    rules: GrantRules
    kept: float
    refusals: RecordTokenRefusals
    unchanging: frozenset[str] = frozenset()
    bad_tokens: AttemptLimit = field(default_factory=_bad_tokens)

    async def __call__(
        self, token: Secret, claimed: MachineIdentity, address: str
    ) -> OutsideReady | DeliveryRefusal | TokenRefusal:
        """Return the configuration that this token approves for the claimed machine. A refusal binds nothing.

        Raises ProviderUnavailable, StoreUnavailable and ConfigUnavailable.
        """
        key = address_key(address)
        if self.bad_tokens.wait(key, self.clock.steady()) > 0:
            return DeliveryRefusal.BAD_TOKENS
        verified = await self.verifier.verify(token)
        if isinstance(verified, TokenRefusal):
            self.bad_tokens.attempt(key, self.clock.steady())
            return verified
        if not claimed.identifies():
            return DeliveryRefusal.NO_IDENTITY
        found = await self.find_entry(claimed)
        if found is None:
            return DeliveryRefusal.NO_CONFIG
        if (refused := self._not_allowed(verified, found.entry, claimed, address)) is not None:
            return refused
        if not _expected_at(found.entry, address):
            log.warning("/config refused to %s: %s is not expected there", address, found.entry.name)
            return DeliveryRefusal.OTHER_NETWORK
        rendered = await self.source.render(found.entry.name, claimed)
        if rendered is None:
            return DeliveryRefusal.NO_CONFIG
        if rendered.mints:
            # A value is made for a request that was approved here, and taken back with it.
            log.error("/config refused to %s: %s has a value that is made at delivery", address, found.entry.name)
            return DeliveryRefusal.MINTED
        # A template may make this machine a control plane: the rendered configuration counts.
        if (refused := self._not_allowed(verified, rendered.entry, claimed, address)) is not None:
            return refused
        binding = await self._bind(token, claimed, address, found.entry.name, verified.person)
        if isinstance(binding, DeliveryRefusal):
            return binding
        return OutsideReady(verified.person, claimed, binding, rendered)

    def _not_allowed(
        self, verified: Verified, entry: MachineEntry, claimed: MachineIdentity, address: str
    ) -> DeliveryRefusal | None:
        """Return why the person may not approve this entry; None when a rule allows it."""
        try:
            allowing_rule(verified.rules, verified.person, entry)
        except NotAllowed as error:
            log.warning("/config refused to %s with the token of %s: %s", address, verified.person, error)
            self.refusals.note_new(
                token_refused(self.clock.now(), verified.person, error, claimed, address, entry.name)
            )
            is_final = verified.person.provider in self.unchanging
            if error.only_control_plane:
                return DeliveryRefusal.OTHER_APPROVER if is_final else DeliveryRefusal.CONTROL_PLANE
            return DeliveryRefusal.NO_RIGHT if is_final else DeliveryRefusal.NOT_ALLOWED
        return None

    async def _bind(
        self, token: Secret, claimed: MachineIdentity, address: str, entry: str, person: Person
    ) -> Binding | DeliveryRefusal:
        now = self.clock.now()
        digest = hashlib.sha256(b"bootgrant outside token\0" + lasting_part(token).encode()).digest()
        ends = now + self.kept if person.expires_at is None else person.expires_at
        binding = await self.bindings.bind(Binding(digest, claimed.key, address, entry, now, ends))
        if (refused := _bound_elsewhere(binding, claimed, address, entry)) is not None:
            log.warning(
                "/config refused to %s with the token of %s, first used at %s for %s: %s",
                address, person, binding.address, binding.entry, refused.value,
            )  # fmt: skip
            return refused
        if binding.delivered_at is not None and binding.delivered_at + self.rules.delivery_grace <= now:
            return DeliveryRefusal.USED_TOKEN
        return binding

    async def record(self, ready: OutsideReady, address: str) -> None:
        """Record a complete delivery to ``address``. Raises StoreUnavailable."""
        now, rendered = self.clock.now(), ready.rendered
        await self.bindings.mark_delivered(ready.binding.digest, now)
        event = AuditEvent(
            at=now,
            kind=AuditKind.DELIVERED,
            actor=str(ready.person),
            via=f"provider:{ready.person.provider}",
            identity=ready.identity,
            address=address,
            entry=rendered.entry.name,
            revision=rendered.entry.revision,
            digest=rendered.sha256,
            reason="the machine's identity is its own claim",
            details={"size": len(rendered.config), "composer": rendered.composer, "subject": ready.person.subject},
        )
        await self.audit.append([event])


def _bound_elsewhere(binding: Binding, claimed: MachineIdentity, address: str, entry: str) -> DeliveryRefusal | None:
    """Return what a token is bound to instead of this machine, address and entry; None when it is bound to these."""
    if binding.identity_key != claimed.key:
        return DeliveryRefusal.OTHER_MACHINE
    if binding.entry != entry:
        return DeliveryRefusal.CHANGED_ENTRY
    return None if binding.address == address else DeliveryRefusal.OTHER_PLACE


def _expected_at(entry: MachineEntry, address: str) -> bool:
    """Return whether the address is in one of the entry's networks, if it names any."""
    return not entry.networks or is_in(address, [ipaddress.ip_network(text) for text in entry.networks])
