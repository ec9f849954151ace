"""Where the audit is kept: appended to, read, never changed. Several servers append to one chain."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bootgrant.approval.audit import AuditEvent, AuditKind, ChainedEvent, Head
from bootgrant.approval.grant import DeviceGrant
from bootgrant.wire.identity import MachineIdentity

AuditOf = Callable[[DeviceGrant], AuditEvent]
"""The event of a step, made from the grant as the step left it."""


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events: all that is given must hold. Times are Unix seconds, ``machine`` shares a uuid, serial or mac.

    ``actor`` is a name, whichever way they came ("ana" finds "ana (passkey)" too), or a name with one way.
    """

    kinds: tuple[AuditKind, ...] = ()
    actor: str = ""
    grant_id: str = ""
    entry: str = ""
    machine: MachineIdentity | None = None
    since: float | None = None
    until: float | None = None


class AuditLog(Protocol):
    """Every method may raise StoreUnavailable (ports.grant_store)."""

    async def append(self, events: Sequence[AuditEvent]) -> Head:
        """Put the events behind the chain, together; returns its head once that is durable."""

    async def head(self) -> Head:
        """Where the chain ends."""

    async def newest(self, which: AuditFilter, limit: int, before: int | None = None) -> Sequence[ChainedEvent]:
        """Events that the filter lets through, newest first; ``before`` is a number to go on from."""

    def from_oldest(self, first: int = 1) -> AsyncIterator[Sequence[tuple[str, str]]]:
        """Every record from number ``first`` on, oldest first, in pages: its line and its digest, as they are kept."""

    async def drop_sealed(self, through: int, seal: AuditEvent) -> Head:
        """Append ``seal`` and forget the records up to number ``through``, in one transaction."""
