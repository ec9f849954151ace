"""What the audit tells of a machine's past, asked for kind by kind.

Whoever is on the network can make requests with any identity. So requests never push a delivery or a denial out of
what is read: each kind has a number of its own.
"""

from __future__ import annotations

from typing import Final

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.history import Past, past_of
from bootgrant.ports.audit_log import AuditFilter, AuditLog
from bootgrant.wire.identity import MachineIdentity

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
