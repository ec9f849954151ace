"""A person accepts a commit that does not follow the one that is served (``git.signers_file``). The audit has it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import Actor, Refused
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.configurations import AcceptingSource, ConfigUnavailable
from bootgrant.ports.time import Clock


@dataclass(frozen=True, slots=True)
class AcceptedRevision:
    """The commit that was accepted, and the one that it takes the place of (empty if there is none)."""

    commit: str
    instead_of: str


@dataclass(frozen=True, slots=True)
class AcceptRevision:
    """May raise StoreUnavailable; nothing is accepted then."""

    source: AcceptingSource
    audit: AuditLog
    clock: Clock

    async def accept(self, commit: str, actor: Actor) -> AcceptedRevision | Refused:
        """Accept the commit with this id, which must be the newest one of the branch."""
        try:
            found, served = await asyncio.to_thread(self.source.acceptable, commit)
            await self.audit.append([self._event(found, served, actor)])
            await asyncio.to_thread(self.source.accept, found)
        except ConfigUnavailable as refused:
            return Refused(str(refused))
        return AcceptedRevision(found, served)

    def _event(self, commit: str, served: str, actor: Actor) -> AuditEvent:
        details = {"instead_of": served} if served else {}
        return AuditEvent(
            at=self.clock.now(),
            kind=AuditKind.CONFIG_ACCEPTED,
            actor=str(actor),
            via=actor.via,
            revision=commit,
            details=details,
        )
