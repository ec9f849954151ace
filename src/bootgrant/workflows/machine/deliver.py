"""A machine fetches its configuration with a token of this server: which entry it gets, and what is refused.

Such a token names the request, so the configuration is the one that was approved, for the identity that was bound.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from bootgrant.approval.codes import access_token_digest
from bootgrant.approval.grant import Delivery, DeviceGrant, Elsewhere, Refusal
from bootgrant.approval.grant_rules import AddressBinding, GrantRules
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.configurations import ConfigSource, MachineEntry, Rendered
from bootgrant.ports.grants import Assignment, AssignmentStore, GrantStore, StoreUnavailable
from bootgrant.ports.time import Clock
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.workflows.limits.rates import is_same_place
from bootgrant.workflows.machine.mint import MintValues
from bootgrant.workflows.record.audit import delivered, used_elsewhere

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
    NO_RIGHT = "approver has no right: ask again"
    CONTROL_PLANE = "control plane: not by this token"
    OTHER_APPROVER = "control plane: ask someone else"
    OTHER_NETWORK = "not in its expected network"
    OTHER_ADDRESS = "not from the address that asked"
    OTHER_MACHINE = "token used by another machine"
    OTHER_PLACE = "token used at another address"
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


def _as_approved(approved: Rendered, made: Rendered | None) -> Rendered | None:
    """Return the configuration with made values as the entry that was approved: a key that was made for this machine
    is its own, and no reason for a second person. Another machine type is."""
    if made is None or made.entry.machine_type != approved.entry.machine_type:
        return made
    return replace(made, entry=approved.entry)
