"""A person assigns an entry to a machine that the configurations do not know. The assignment is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import Actor, Refused
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.configurations import ConfigSource, ConfigUnavailable, MachineEntry
from bootgrant.ports.grants import Assignment, AssignmentStore, GrantStore
from bootgrant.ports.time import Clock
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.machine.deliver import FindEntry


@dataclass(frozen=True, slots=True)
class AssignMachine:
    """Changes return once they are durable. Every method may raise StoreUnavailable."""

    store: GrantStore
    source: ConfigSource
    assignments: AssignmentStore
    audit: AuditLog
    clock: Clock
    find_entry: FindEntry

    async def choices(self, actor: Actor) -> Sequence[MachineEntry]:
        """Return the entries that this person may assign, by name. Raises ConfigUnavailable."""
        return [entry for entry in await self.source.entries() if actor.may_decide_about(entry.labels)]

    async def assign(self, grant_id: str, entry_name: str, actor: Actor) -> Assignment | Refused:
        """Assign an entry to the machine of this pending request, which still has to be approved."""
        grant = await self.store.find_grant(grant_id)
        now = self.clock.now()
        if grant is None or grant.state_at(now) is not GrantState.PENDING:
            return Refused("this request is no longer pending: see the list of waiting machines")
        try:
            entry = await self.source.named_entry(entry_name)
            found = await self.find_entry(grant.identity)
        except ConfigUnavailable as error:
            return Refused(str(error))
        if entry is None:
            return Refused(f"there is no entry {entry_name!r}: `bootgrant machines list` shows all of them")
        if found is not None and found.assignment is None:
            return Refused(f"the configurations give this machine {found.entry.name}: change it there")
        if not actor.may_decide_about(found.entry.labels if found else {}):
            what = f"it has the entry {found.entry.name}" if found else "no configuration knows it"
            return Refused(f"you may not decide about this machine ({what}): ask an operator who may")
        if not actor.may_decide_about(entry.labels):
            return Refused(f"you may not assign {entry.name}: it is outside your labels")
        who = MachineIdentity(grant.identity.uuid, grant.identity.serial, grant.identity.mac)
        assignment = Assignment(who, entry.name, str(actor), now)
        await self.assignments.put(assignment)
        await self._record(AuditKind.ASSIGNED, assignment, actor, grant_id, grant.source_address)
        return assignment

    async def unassign(self, identity: MachineIdentity, actor: Actor) -> Assignment | Refused:
        """Remove the assignment of the machine with this identity. Its approvals stay."""
        assignment = await self.find_entry.assignment_of(identity)
        if assignment is None:
            return Refused("this machine has no assigned entry")
        try:
            entry = await self.source.named_entry(assignment.entry)
        except ConfigUnavailable as error:
            return Refused(str(error))
        if not actor.may_decide_about(entry.labels if entry else {}):
            return Refused(f"you may not unassign {assignment.entry}: it is outside your labels")
        await self.assignments.remove(assignment.identity.key)
        await self._record(AuditKind.UNASSIGNED, assignment, actor)
        return assignment

    async def _record(
        self, kind: AuditKind, assignment: Assignment, actor: Actor, grant_id: str = "", address: str = ""
    ) -> None:
        event = AuditEvent(
            at=self.clock.now(),
            kind=kind,
            actor=str(actor),
            via=actor.via,
            grant_id=grant_id,
            identity=assignment.identity,
            address=address,
            entry=assignment.entry,
        )
        await self.audit.append([event])
