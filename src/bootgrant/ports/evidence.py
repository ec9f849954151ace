"""Sources of evidence about a machine, and the machine history that the audit holds."""

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
    """What is asked about: a request, and the entry that its machine would get (None: there is none)."""

    grant: DeviceGrant
    entry: MachineEntry | None


class EvidenceSource(Protocol):
    """``keeps`` is how many seconds an answer stays good; ``is_quick`` says that it asks nobody outside."""

    @property
    def name(self) -> str: ...

    @property
    def keeps(self) -> float: ...

    @property
    def is_quick(self) -> bool: ...

    async def check(self, claim: Claim) -> Sequence[Check]:
        """What it finds. It may take its time and may fail: whoever asks limits the one and reports the other."""


_READ: Final = (
    ((AuditKind.OPENED,), 100),
    ((AuditKind.DELIVERED,), 20),
    ((AuditKind.DENIED, AuditKind.REVOKED), 20),
)
"""Kinds that are read together, and how many of the newest of them."""


async def past_in(audit: AuditLog, machine: MachineIdentity, apart_from: str) -> Past:
    """The machine's past without the request with the id ``apart_from``. Raises StoreUnavailable."""
    events = []
    for kinds, most in _READ:
        records = await audit.newest(AuditFilter(kinds=kinds, machine=machine), most)
        events += [record.event for record in records]
    return past_of(events, apart_from)
