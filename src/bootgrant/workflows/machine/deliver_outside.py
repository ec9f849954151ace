"""A machine fetches its configuration with the token of an outside provider: it says who approved, not which machine.

So the machine's identity is what the query claims. What keeps one machine's keys from another is then: the person's
rules, the networks where the entry is expected, and the token itself, which is good for the first machine and address
that come with it and for no other.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
from dataclasses import dataclass, field

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.grant import GrantRules
from bootgrant.approval.outside import NotAllowed, Person, allowing_rule
from bootgrant.approval.policy import is_in
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.configurations import ConfigSource, MachineEntry, Rendered
from bootgrant.ports.grants import Binding, BindingStore
from bootgrant.ports.providers import TokenRefusal, TokenVerifier, Verified
from bootgrant.ports.time import Clock
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.wire.unverified_jwt import read_unverified
from bootgrant.workflows.limits.attempts import AttemptLimit, WhenFull, address_key
from bootgrant.workflows.machine.deliver_config import DeliveryRefusal
from bootgrant.workflows.machine.find_entry import FindEntry

log = logging.getLogger("bootgrant.machines")


@dataclass(frozen=True, slots=True)
class OutsideReady:
    """The configuration to send, who let the machine in, and the token's binding."""

    person: Person
    identity: MachineIdentity
    binding: Binding
    rendered: Rendered


def _bad_tokens() -> AttemptLimit:
    """By address: each made-up token is a question to the provider, which would refuse good machines, too, if it were
    asked without end. Machines behind one address that come back with tokens that have ended are far from it."""
    return AttemptLimit(burst=300, every=0.25, when_full=WhenFull.ALLOW)


@dataclass(frozen=True, slots=True)
class DeliverOutside:
    """``kept`` is how long the binding of a token is kept whose end nobody tells, in seconds."""

    verifier: TokenVerifier
    find_entry: FindEntry
    source: ConfigSource
    bindings: BindingStore
    audit: AuditLog
    clock: Clock
    rules: GrantRules
    kept: float
    bad_tokens: AttemptLimit = field(default_factory=_bad_tokens)

    async def __call__(
        self, token: Secret, claimed: MachineIdentity, address: str
    ) -> OutsideReady | DeliveryRefusal | TokenRefusal:
        """What this token lets the claimed machine have. A refusal binds and burns nothing.

        Raises ProviderUnavailable, StoreUnavailable and ConfigUnavailable.
        """
        asker = address_key(address)
        if self.bad_tokens.wait(asker, self.clock.steady()) > 0:
            return DeliveryRefusal.BAD_TOKENS
        word = await self.verifier.verify(token)
        if isinstance(word, TokenRefusal):
            self.bad_tokens.attempt(asker, self.clock.steady())
            return word
        if not claimed.identifies():
            return DeliveryRefusal.NO_IDENTITY
        found = await self.find_entry(claimed)
        if found is None:
            return DeliveryRefusal.NO_CONFIG
        if (refused := _not_allowed(word, found.entry, address)) is not None:
            return refused
        if not _expected_at(found.entry, address):
            log.warning("/config refused to %s: %s is not expected there", address, found.entry.name)
            return DeliveryRefusal.OTHER_NETWORK
        rendered = await self.source.render(found.entry.name, claimed)
        if rendered is None:
            return DeliveryRefusal.NO_CONFIG
        # A template may make a control plane of this very machine: what counts is what would leave.
        if (refused := _not_allowed(word, rendered.entry, address)) is not None:
            return refused
        binding = await self._bind(token, claimed, address, found.entry.name, word.person)
        return (
            binding if isinstance(binding, DeliveryRefusal) else OutsideReady(word.person, claimed, binding, rendered)
        )

    async def _bind(
        self, token: Secret, claimed: MachineIdentity, address: str, entry: str, person: Person
    ) -> Binding | DeliveryRefusal:
        now = self.clock.now()
        digest = hashlib.sha256(b"bootgrant outside token\0" + _lasting_part(token).encode()).digest()
        ends = now + self.kept if person.expires_at is None else person.expires_at
        binding = await self.bindings.bind(Binding(digest, claimed.key, address, entry, now, ends))
        if (binding.identity_key, binding.address, binding.entry) != (claimed.key, address, entry):
            log.warning("/config refused to %s: the token of %s is bound to another machine", address, person)
            return DeliveryRefusal.OTHER_MACHINE
        if binding.delivered_at is not None and binding.delivered_at + self.rules.delivery_grace <= now:
            return DeliveryRefusal.USED_TOKEN
        return binding

    async def record(self, ready: OutsideReady, address: str) -> None:
        """Note that the whole configuration left for ``address``. Raises StoreUnavailable."""
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


def _lasting_part(token: Secret) -> str:
    """What makes it this token: of a JWT what was signed, without the signature.

    Whoever has one ECDSA signature can write a second that is as good (s and n - s), and so make of one token two.
    """
    text = token.reveal()
    return text.rpartition(".")[0] if read_unverified(token) else text


def _not_allowed(word: Verified, entry: MachineEntry, address: str) -> DeliveryRefusal | None:
    """Why the person may not let this entry in; None when a rule says so."""
    try:
        allowing_rule(word.rules, word.person, entry)
    except NotAllowed as error:
        log.warning("/config refused to %s with the token of %s: %s", address, word.person, error)
        return DeliveryRefusal.CONTROL_PLANE if error.only_control_plane else DeliveryRefusal.NOT_ALLOWED
    return None


def _expected_at(entry: MachineEntry, address: str) -> bool:
    """Whether the address is in one of the entry's networks, when it names some."""
    return not entry.networks or is_in(address, [ipaddress.ip_network(text) for text in entry.networks])
