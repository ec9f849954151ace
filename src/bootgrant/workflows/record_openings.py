"""Machines that ask are put into the audit beside their requests, never in their way.

The request itself is durable before its answer leaves; the audit has it within a second. Anybody on the network can
ask, as often as they like, so a flood must not fill the disk: a thousand requests are recorded one by one, beyond
that their number is, as one event. Decisions and deliveries are recorded one by one always, with the claim in them.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.grant import DeviceGrant
from bootgrant.ports.audit_log import AuditLog
from bootgrant.ports.clock import Clock
from bootgrant.ports.grant_store import StoreUnavailable
from bootgrant.workflows.audit_events import opened

log = logging.getLogger("bootgrant.audit")

BURST: Final = 1000
"""Requests that are recorded one by one however fast they come."""

EVERY: Final = 0.1
"""Seconds in which one more may be recorded after such a burst."""

_GATHER: Final = 1.0
_AT_ONCE: Final = 100
_ADDRESSES: Final = 20


class RecordOpenings:
    """``arrived`` notes a request in well under a microsecond; ``step`` writes what was noted."""

    def __init__(self, audit: AuditLog, clock: Clock, burst: int = BURST) -> None:
        self._audit = audit
        self._clock = clock
        self._burst = burst
        self._room = burst
        self._filled_at = clock.steady()
        self._new: list[DeviceGrant] = []
        self._more = 0
        self._addresses: dict[str, None] = {}
        self._something = asyncio.Event()

    def arrived(self, grant: DeviceGrant) -> None:
        """A machine has asked."""
        if self._room:
            self._room -= 1
            self._new.append(grant)
            if not self._something.is_set():
                self._something.set()
            return
        self._more += 1
        if len(self._addresses) < _ADDRESSES:
            self._addresses[grant.source_address] = None

    async def step(self) -> None:
        """Write what was noted. Raises StoreUnavailable, and keeps what was not written."""
        self._something.clear()
        while self._new:
            part = self._new[:_AT_ONCE]
            await self._audit.append([opened(grant) for grant in part])
            del self._new[:_AT_ONCE]
        if self._more:
            more, addresses = self._more, sorted(self._addresses)
            await self._audit.append([self._storm(more, addresses)])
            self._more -= more
            self._addresses.clear()
        self._refill()

    async def forever(self) -> None:
        """Write about once a second while machines ask; sleep while none does."""
        while True:
            await self._something.wait()
            await asyncio.sleep(_GATHER)
            try:
                await self.step()
            except StoreUnavailable as error:
                log.error("machines that asked are not in the audit yet: %s", error)  # noqa: TRY400  (the reason)
                self._something.set()

    def _refill(self) -> None:
        now = self._clock.steady()
        gained = int((now - self._filled_at) / EVERY)
        if gained > 0:
            self._room = min(self._burst, self._room + gained)
            self._filled_at = now

    def _storm(self, more: int, addresses: list[str]) -> AuditEvent:
        details: dict[str, str | int] = {"requests": more, "from": ", ".join(addresses)}
        return AuditEvent(at=self._clock.now(), kind=AuditKind.STORM, details=details)
