"""A machine that the configurations do not know is given an entry by a person; the store remembers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.grant import GrantState
from bootgrant.approval.operators import Actor
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.configurations import ConfigSource, ConfigUnavailable, MachineEntry
from bootgrant.ports.decisions import Assignment, AssignmentStore
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.time import Clock
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.machine.deliver import FindEntry


@dataclass(frozen=True, slots=True)
class NotAssigned:
    """Why nothing changed, as one line for a person."""

    message: str


@dataclass(frozen=True, slots=True)
class AssignMachine:
    store: GrantStore
    source: ConfigSource
    assignments: AssignmentStore
    audit: AuditLog
    clock: Clock
    find_entry: FindEntry

    async def choices(self, actor: Actor) -> Sequence[MachineEntry]:
        """The entries that this person may give away, by name. Raises ConfigUnavailable."""
        return [entry for entry in await self.source.entries() if actor.may_decide_about(entry.labels)]

    async def assign(self, grant_id: str, entry_name: str, actor: Actor) -> Assignment | NotAssigned:
        """Give the machine that waits with this request an entry. It still has to be approved.

        Returns once it is durable. Raises StoreUnavailable.
        """
        grant = await self.store.find_grant(grant_id)
        now = self.clock.now()
        if grant is None or grant.state_at(now) is not GrantState.PENDING:
            return NotAssigned("this request does not wait any more: look at the list of those that do")
        try:
            entry = await self.source.named_entry(entry_name)
            found = await self.find_entry(grant.identity)
        except ConfigUnavailable as error:
            return NotAssigned(str(error))
        if entry is None:
            return NotAssigned(f"there is no entry {entry_name!r}: `bootgrant machines list` names them")
        if found is not None and found.assignment is None:
            return NotAssigned(f"the configurations give this machine {found.entry.name}: change it there")
        if not actor.may_decide_about(found.entry.labels if found else {}):
            what = f"it was given {found.entry.name}" if found else "no configuration knows it"
            return NotAssigned(f"you may not decide about this machine ({what}): ask somebody who may")
        if not actor.may_decide_about(entry.labels):
            return NotAssigned(f"you may not give away {entry.name}: it is not among your machines")
        who = MachineIdentity(grant.identity.uuid, grant.identity.serial, grant.identity.mac)
        assignment = Assignment(who, entry.name, str(actor), now)
        await self.assignments.put(assignment)
        await self._note(AuditKind.ASSIGNED, assignment, actor, grant_id, grant.source_address)
        return assignment

    async def unassign(self, identity: MachineIdentity, actor: Actor) -> Assignment | NotAssigned:
        """Forget what was given to the machine with this identity. Approvals that were made stay. Raises
        StoreUnavailable."""
        assignment = await self.find_entry.assignment_of(identity)
        if assignment is None:
            return NotAssigned("nothing was assigned to this machine")
        try:
            entry = await self.source.named_entry(assignment.entry)
        except ConfigUnavailable as error:
            return NotAssigned(str(error))
        if not actor.may_decide_about(entry.labels if entry else {}):
            return NotAssigned(f"you may not take {assignment.entry} away: it is not among your machines")
        await self.assignments.remove(assignment.identity.key)
        await self._note(AuditKind.UNASSIGNED, assignment, actor)
        return assignment

    async def assigned(self) -> Sequence[Assignment]:
        """All assignments, newest first. Raises StoreUnavailable."""
        return await self.assignments.assignments()

    async def _note(
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
