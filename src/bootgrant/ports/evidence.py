"""Sources of evidence about a machine, and a machine's history in the audit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from bootgrant.approval.audit import AuditKind, Past, past_of
from bootgrant.approval.evidence import Check
from bootgrant.approval.grant import DeviceGrant
from bootgrant.ports.audit import AuditFilter, AuditLog
from bootgrant.ports.configurations import MachineEntry
from bootgrant.wire.identity import MachineIdentity


@dataclass(frozen=True, slots=True)
class Claim:
    """A machine's request, and the entry that the machine would get; None if it has none."""

    grant: DeviceGrant
    entry: MachineEntry | None


class EvidenceSource(Protocol):
    """One source. ``keeps`` is how many seconds its answer may be reused; ``is_quick`` means it starts no program."""

    @property
    def name(self) -> str: ...

    @property
    def keeps(self) -> float: ...

    @property
    def is_quick(self) -> bool: ...

    async def check(self, claim: Claim) -> Sequence[Check]:
        """Return what was found. May be slow and may raise: the caller sets a time limit and reports errors."""


_READ: Final = (
    ((AuditKind.OPENED,), 100),
    ((AuditKind.DELIVERED,), 20),
    ((AuditKind.DENIED, AuditKind.UNDENIED, AuditKind.REVOKED), 40),
    ((AuditKind.OTHER_ADDRESS,), 20),
    ((AuditKind.CODE_AGAIN,), 10),
)
"""Kinds of records that are read together, and how many of the newest."""


async def past_in(audit: AuditLog, machine: MachineIdentity, apart_from: str) -> Past:
    """Return a machine's history, leaving out the request with the id ``apart_from``. Raises StoreUnavailable."""
    events = []
    for kinds, most in _READ:
        records = await audit.newest(AuditFilter(kinds=kinds, machine=machine), most)
        events += [record.event for record in records]
    return past_of(events, apart_from)
