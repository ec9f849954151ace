"""Which state of the configurations was served from when, and what kept a newer one from being taken: in the audit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.ports.audit import AuditFilter, AuditLog
from bootgrant.ports.configurations import WatchedSource
from bootgrant.ports.time import Clock

_KINDS: Final = (AuditKind.CONFIG_SNAPSHOT,)
_PROBLEM: Final = 500


@dataclass(slots=True)
class RecordSnapshots:
    """Several servers of one site, and restarts, note a state once: what the audit says last is not said again."""

    audit: AuditLog
    source: WatchedSource
    clock: Clock
    _noted: tuple[str, str] | None = None

    async def step(self) -> None:
        """Note the state if it is news. Raises StoreUnavailable."""
        state = self.source.state()
        now = (state.revision, state.problem[:_PROBLEM])
        if now in (self._noted, ("", "")):
            return
        last = await self.audit.newest(AuditFilter(kinds=_KINDS), 1)
        if not last or (last[0].event.revision, last[0].event.reason) != now:
            event = AuditEvent(at=self.clock.now(), kind=AuditKind.CONFIG_SNAPSHOT, revision=now[0], reason=now[1])
            await self.audit.append([event])
        self._noted = now
