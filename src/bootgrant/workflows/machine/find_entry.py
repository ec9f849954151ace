"""Which entry a machine gets: the one that the configurations say, else the one that a person gave it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bootgrant.ports.configurations import ConfigSource, MachineEntry
from bootgrant.ports.decisions import Assignment, AssignmentStore
from bootgrant.wire.identity import MachineIdentity


@dataclass(frozen=True, slots=True)
class Found:
    """``assignment`` is None when the configurations themselves know the machine."""

    entry: MachineEntry
    assignment: Assignment | None = None


@dataclass(frozen=True, slots=True)
class FindEntry:
    source: ConfigSource
    assignments: AssignmentStore

    async def __call__(self, identity: MachineIdentity) -> Found | None:
        """The entry as this machine would get it. Raises ConfigUnavailable and StoreUnavailable."""
        entry = await self.source.find_entry(identity)
        if entry is not None:
            return Found(await self._as_for(entry, identity))
        assignment = await self.assignment_of(identity)
        given = await self.source.named_entry(assignment.entry) if assignment else None
        if given is None or assignment is None:
            return None
        given = await self._as_for(given, identity)
        return Found(replace(given, matched=f"assigned by {assignment.by}", exact=False), assignment)

    async def _as_for(self, entry: MachineEntry, identity: MachineIdentity) -> MachineEntry:
        """With the ``machine_type`` that a template gives to this machine: people decide about that one."""
        if not entry.varies:
            return entry
        rendered = await self.source.render(entry.name, identity)
        return entry if rendered is None else replace(entry, machine_type=rendered.entry.machine_type, varies=False)

    async def assignment_of(self, identity: MachineIdentity) -> Assignment | None:
        """What a person gave to this machine: nothing that it says may contradict what it said then."""
        sharing = await self.assignments.sharing(identity)
        return next((found for found in sharing if not found.identity.contradicts(_strong(identity))), None)


def _strong(identity: MachineIdentity) -> MachineIdentity:
    return MachineIdentity(identity.uuid, identity.serial, identity.mac)
