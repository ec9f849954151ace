"""The store of the audit: appended to and read, never changed. Several servers append to one chain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bootgrant.approval.audit import AuditEvent, AuditKind, ChainedEvent, Head
from bootgrant.approval.grant import DeviceGrant
from bootgrant.wire.identity import MachineIdentity

AuditOf = Callable[[DeviceGrant], AuditEvent]
"""Makes the event of a step from the grant after the step."""

EventsOf = Callable[[DeviceGrant], Sequence[AuditEvent]]
"""Makes the events of a new grant."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events to return; everything that is given must match. Times are Unix seconds.

    ``actor`` is a name, whichever way it was used ("ana" finds "ana (passkey)" too), or a name with one way.
    ``machine`` matches events that share a uuid (in either byte order), serial or mac.
    ``without`` are kinds to leave out.
    """

    kinds: tuple[AuditKind, ...] = ()
    actor: str = ""
    grant_id: str = ""
    entry: str = ""
    machine: MachineIdentity | None = None
    since: float | None = None
    until: float | None = None
    without: tuple[AuditKind, ...] = ()

    def matches(self, event: AuditEvent) -> bool:
        """Return whether an event is one to return."""
        machine = self.machine
        return (
            (not self.kinds or event.kind in self.kinds)
            and event.kind not in self.without
            and (self.actor in ("", event.actor) or event.actor.startswith(f"{self.actor} ("))
            and self.grant_id in ("", event.grant_id)
            and self.entry in ("", event.entry)
            and (machine is None or not set(machine.strong()).isdisjoint(event.identity.strong()))
            and (self.since is None or event.at >= self.since)
            and (self.until is None or event.at < self.until)
        )


class AuditLog(Protocol):
    """Every method may raise StoreUnavailable (ports.grants)."""

    async def append(self, events: Sequence[AuditEvent]) -> Head:
        """Append the events to the chain in one transaction; return its new head once that is durable."""

    async def head(self) -> Head:
        """Return the end of the chain."""

    async def newest(self, which: AuditFilter, limit: int, before: int | None = None) -> Sequence[ChainedEvent]:
        """Return the events that match, newest first; ``before`` is the number of the record to continue from."""

    async def count(self, which: AuditFilter, most: int) -> int:
        """Count the events that match, at most up to ``most``."""

    def from_oldest(self, first: int = 1) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """Yield all records from number ``first`` on, oldest first, in pages: lines and digests as they are stored."""

    async def drop_sealed(self, through: int, seal: AuditEvent) -> Head:
        """Append ``seal`` and delete the records up to number ``through``, in one transaction."""
