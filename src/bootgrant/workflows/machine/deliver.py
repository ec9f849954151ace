"""A machine fetches its configuration with a bearer token: our own, or one of an outside provider.

Our token names the request, so the configuration is the one that was approved, for the identity that was bound. A
provider's token says which person approved, not which machine: the identity is what the query claims. Three things keep
machines apart then: the rules for that person, the networks where the entry is expected, and the token itself, which
works only for the first machine and address that present it.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.claims import NotAllowed, Person, allowing_rule
from bootgrant.approval.codes import access_token_digest
from bootgrant.approval.grant import Delivery, DeviceGrant, Elsewhere, Refusal
from bootgrant.approval.grant_rules import AddressBinding, GrantRules
from bootgrant.approval.policy import is_in
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.configurations import ConfigSource, MachineEntry, Rendered
from bootgrant.ports.grants import Assignment, AssignmentStore, Binding, BindingStore, GrantStore, StoreUnavailable
from bootgrant.ports.providers import TokenRefusal, TokenVerifier, Verified
from bootgrant.ports.time import Clock
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.wire.unverified_jwt import lasting_part
from bootgrant.workflows.limits.rates import AttemptLimit, WhenFull, address_key, is_same_place
from bootgrant.workflows.machine.mint import MintValues
from bootgrant.workflows.record.audit import delivered, used_elsewhere
from bootgrant.workflows.record.recording import RecordTokenRefusals, token_refused

log = logging.getLogger("bootgrant.machines")


@dataclass(frozen=True, slots=True)
class Found:
    """The entry for a machine; ``assignment`` is None when the configurations themselves know the machine."""

    entry: MachineEntry
    assignment: Assignment | None = None


@dataclass(frozen=True, slots=True)
class FindEntry:
    """Which entry a machine gets: the one that the configurations select, otherwise the one that a person assigned."""

    source: ConfigSource
    assignments: AssignmentStore

    async def __call__(self, identity: MachineIdentity) -> Found | None:
        """Return the entry for this machine. Raises ConfigUnavailable and StoreUnavailable."""
        entry = await self.source.find_entry(identity)
        if entry is not None:
            return Found(await self._for_machine(entry, identity))
        assignment = await self.assignment_of(identity)
        assigned = await self.source.named_entry(assignment.entry) if assignment else None
        if assigned is None or assignment is None:
            return None
        assigned = await self._for_machine(assigned, identity)
        return Found(replace(assigned, matched=f"assigned by {assignment.by}", exact=False), assignment)

    async def _for_machine(self, entry: MachineEntry, identity: MachineIdentity) -> MachineEntry:
        """Return the entry with the ``machine_type`` and ``precious`` that its template gives to this machine: people
        decide on that."""
        if not entry.varies:
            return entry
        rendered = await self.source.render(entry.name, identity)
        if rendered is None:
            return entry
        made = rendered.entry
        return replace(entry, machine_type=made.machine_type, precious=made.precious, varies=False)

    async def assignment_of(self, identity: MachineIdentity) -> Assignment | None:
        """Return the assignment for this machine. Its identity must not contradict the one it had then."""
        sharing = await self.assignments.sharing(identity)
        return next((found for found in sharing if not found.identity.contradicts(_strong(identity))), None)


def _strong(identity: MachineIdentity) -> MachineIdentity:
    return MachineIdentity(identity.uuid, identity.serial, identity.mac)


class DeliveryRefusal(Enum):
    """Why no configuration is delivered; the value is what the machine's console shows, at most 32 bytes of ASCII."""

    INVALID_TOKEN = "token unknown: ask again"  # noqa: S105  (a message)
    USED_TOKEN = "token used: ask again"  # noqa: S105  (a message)
    REVOKED_TOKEN = "token revoked by an operator"  # noqa: S105  (a message)
    VOID_TOKEN = "approval void: ask again"  # noqa: S105  (a message)
    EXPIRED_TOKEN = "token expired: ask again"  # noqa: S105  (a message)
    OTHER_IDENTITY = "not the machine approved"
    CHANGED_ENTRY = "entry changed since: ask again"
    NO_CONFIG = "no config for this machine yet"
    MINTED = "needs an approval here: no token"
    NO_IDENTITY = "no uuid, serial or mac in URL"
    TWO_IDENTITIES = "two identities in the URL"
    NOT_ALLOWED = "approver has no right to this"
    CONTROL_PLANE = "control plane: not by this token"
    OTHER_NETWORK = "not in its expected network"
    OTHER_ADDRESS = "not from the address that asked"
    OTHER_MACHINE = "token used by another machine"
    BAD_TOKENS = "too many bad tokens: wait"


@dataclass(frozen=True, slots=True)
class ConfigReady:
    """The configuration to send for an approved request. ``elsewhere``: to another address than the one that asked.

    ``made`` names the values in it that were made for this delivery: its digest is not the one that was approved.
    """

    grant: DeviceGrant
    rendered: Rendered
    elsewhere: bool = False
    made: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeliverConfig:
    """Delivery for our own tokens. ``report`` notifies people of a token that is used at another address."""

    store: GrantStore
    source: ConfigSource
    clock: Clock
    rules: GrantRules
    report: Callable[[DeviceGrant], Awaitable[None]]
    audit: AuditLog
    mint: MintValues

    async def __call__(
        self, token: Secret, claimed: MachineIdentity, address: str, others: Sequence[MachineIdentity] = ()
    ) -> ConfigReady | DeliveryRefusal:
        """Return the configuration that this token is for. ``claimed`` and ``others`` (from the query) can only
        contradict.

        The configuration is rendered from the revision that is valid now. An entry whose name, labels or
        ``machine.type`` have changed since the approval, or that has become precious, needs a new one. Raises
        StoreUnavailable and ConfigUnavailable.
        """
        grant = await self.store.find_by_token(access_token_digest(token))
        if grant is None:
            return DeliveryRefusal.INVALID_TOKEN
        now = self.clock.now()
        if grant.state is GrantState.REVOKED:
            return DeliveryRefusal.REVOKED_TOKEN
        if grant.state is GrantState.VOID:
            return DeliveryRefusal.VOID_TOKEN
        if grant.token_expires_at <= now:
            return DeliveryRefusal.EXPIRED_TOKEN
        if grant.token_ends_at(self.rules) <= now:
            return DeliveryRefusal.USED_TOKEN
        named = (claimed, *others)
        if is_same_place(grant.source_address, address):
            return await self._rendered(grant, token, named)
        outcome: ConfigReady | DeliveryRefusal = DeliveryRefusal.OTHER_ADDRESS
        if self.rules.bind_address is AddressBinding.FLAG:
            outcome = await self._rendered(grant, token, named)
        # Before anything is sent: a thief who hangs up early has read most of the configuration, too.
        use = Elsewhere(address, now, refused=isinstance(outcome, DeliveryRefusal))
        await self._note(grant, use)
        return outcome if isinstance(outcome, DeliveryRefusal) else replace(outcome, elsewhere=True)

    async def _rendered(
        self, grant: DeviceGrant, token: Secret, named: Sequence[MachineIdentity]
    ) -> ConfigReady | DeliveryRefusal:
        if any(grant.identity.contradicts(each) for each in named):
            return DeliveryRefusal.OTHER_IDENTITY
        rendered = await self.source.render(grant.entry, grant.identity)
        mints = {} if rendered is None else rendered.mints
        if mints and rendered is not None and grant.fingerprint in ("", rendered.entry.fingerprint):
            made = await self.mint(grant, token, mints)
            rendered = _as_approved(rendered, await self.source.render_made(grant.entry, grant.identity, made))
        if rendered is None:
            return DeliveryRefusal.NO_CONFIG
        if grant.fingerprint and grant.fingerprint != rendered.entry.fingerprint:
            return DeliveryRefusal.CHANGED_ENTRY
        return ConfigReady(grant, rendered, made=tuple(mints))

    async def _note(self, grant: DeviceGrant, use: Elsewhere) -> None:
        """Record the first use of a token at each other address, and notify people of it."""
        is_new = False

        def rule(stored: DeviceGrant) -> DeviceGrant:
            nonlocal is_new
            known = any(
                is_same_place(earlier.address, use.address) and earlier.refused == use.refused
                for earlier in stored.elsewhere
            )
            after = stored if known else stored.used_elsewhere(use)
            is_new = after is not stored
            return after

        log.warning(
            "the token of a request from %s was used at %s%s", grant.source_address, use.address,
            ", and refused" if use.refused else "", extra={"grant_id": grant.grant_id},
        )  # fmt: skip
        after = await self.store.change_grant(grant.grant_id, rule, audit=used_elsewhere(use))
        if is_new and isinstance(after, DeviceGrant):
            await self._report(after)

    async def _report(self, grant: DeviceGrant) -> None:
        try:
            await self.report(grant)
        except StoreUnavailable as error:
            log.error("nobody was notified of a token at another address: %s", error)  # noqa: TRY400

    async def record(self, ready: ConfigReady, address: str) -> None:
        """Record a complete delivery to ``address``. Raises StoreUnavailable.

        If the approval ended during the download, only the audit has the delivery: the machine has its configuration.
        """
        now, grant_id, rendered = self.clock.now(), ready.grant.grant_id, ready.rendered
        delivery = Delivery(now, address, rendered.sha256, len(rendered.config))
        about = (rendered.entry.revision, rendered.composer)
        event = delivered(delivery, *about, elsewhere=ready.elsewhere, made=ready.made)
        after = await self.store.change_grant(grant_id, lambda stored: stored.deliver(self.rules, now), delivery, event)
        if isinstance(after, Refusal):
            name = ascii(rendered.entry.name)
            log.warning("%s got %s after its approval ended", address, name, extra={"grant_id": grant_id})
            grant = await self.store.find_grant(grant_id) or ready.grant
            late = event(grant._replace(deliveries=grant.deliveries + 1))
            await self.audit.append([replace(late, reason="the approval ended during the download")])


@dataclass(frozen=True, slots=True)
class OutsideReady:
    """The configuration to send, the person who approved, and the token's binding."""

    person: Person
    identity: MachineIdentity
    binding: Binding
    rendered: Rendered


def _as_approved(approved: Rendered, made: Rendered | None) -> Rendered | None:
    """Return the configuration with made values as the entry that was approved: a key that was made for this machine
    is its own, and no reason for a second person. Another machine type is."""
    if made is None or made.entry.machine_type != approved.entry.machine_type:
        return made
    return replace(made, entry=approved.entry)


def _bad_tokens() -> AttemptLimit:
    """Limit invalid tokens per address: each one is a request to the provider, which could end up refusing valid ones
    too. Machines behind one address that return with expired tokens stay far below this limit."""
    return AttemptLimit(burst=300, every=0.25, when_full=WhenFull.ALLOW)


@dataclass(slots=True)
class DeliverOutside:
    """Delivery for tokens of outside providers.

    ``kept`` is how long a token's binding is kept when the provider does not say when the token expires, in seconds.
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
            return DeliveryRefusal.CONTROL_PLANE if error.only_control_plane else DeliveryRefusal.NOT_ALLOWED
        return None

    async def _bind(
        self, token: Secret, claimed: MachineIdentity, address: str, entry: str, person: Person
    ) -> Binding | DeliveryRefusal:
        now = self.clock.now()
        digest = hashlib.sha256(b"bootgrant outside token\0" + lasting_part(token).encode()).digest()
        ends = now + self.kept if person.expires_at is None else person.expires_at
        binding = await self.bindings.bind(Binding(digest, claimed.key, address, entry, now, ends))
        if (binding.identity_key, binding.address, binding.entry) != (claimed.key, address, entry):
            log.warning("/config refused to %s: the token of %s is bound to another machine", address, person)
            return DeliveryRefusal.OTHER_MACHINE
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


def _expected_at(entry: MachineEntry, address: str) -> bool:
    """Return whether the address is in one of the entry's networks, if it names any."""
    return not entry.networks or is_in(address, [ipaddress.ip_network(text) for text in entry.networks])


Ready = ConfigReady | OutsideReady
Refused = DeliveryRefusal | TokenRefusal


@dataclass(frozen=True, slots=True)
class DeliverToBearer:
    """Delivery for any bearer token; ``outside`` is None for a site without ``[[providers]]``."""

    own: DeliverConfig
    outside: DeliverOutside | None = None

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
