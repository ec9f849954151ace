"""Whether a machine may need two people. This is looked up for every request of a code, so memory answers it.

Only for entries that may need two people, and for those whose template decides that, the entry itself is looked up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bootgrant.approval.policy import needed_approvals
from bootgrant.ports.configurations import ConfigSource, ConfigUnavailable, MachineEntry
from bootgrant.ports.grants import AssignmentStore
from bootgrant.ports.time import Clock
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.machine.deliver import FindEntry

_READ_EVERY: Final = 5.0
"""Seconds for which the assignments are remembered."""


@dataclass(slots=True)
class TwoPeople:
    """Finds the entry of a machine only if that entry may need more than one person."""

    source: ConfigSource
    assignments: AssignmentStore
    clock: Clock
    find_entry: FindEntry = field(init=False)
    _assigned: frozenset[tuple[str, str]] = frozenset()
    _read_at: float = float("-inf")

    def __post_init__(self) -> None:
        self.find_entry = FindEntry(self.source, self.assignments)

    async def __call__(self, identity: MachineIdentity) -> MachineEntry | None:
        """Return the machine's entry if it needs more than one person. Raises StoreUnavailable.

        None also while the configurations cannot be read: an approval waits for them, a code does not.
        """
        try:
            if not await self.source.may_need_two(identity) and not await self._is_assigned(identity):
                return None
            found = await self.find_entry(identity)
        except ConfigUnavailable:
            return None
        return found.entry if found is not None and needed_approvals(found.entry) > 1 else None

    async def _is_assigned(self, identity: MachineIdentity) -> bool:
        if self.clock.steady() - self._read_at >= _READ_EVERY:
            stored = await self.assignments.assignments()
            self._assigned = frozenset(variable for each in stored for variable in each.identity.strong())
            self._read_at = self.clock.steady()
        return not self._assigned.isdisjoint(identity.strong())
