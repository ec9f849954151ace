"""Audit records that are written in the background: machines that ask, refused sign-ins, configuration revisions.

Anybody on the network can ask or try to sign in without end, and a flood must not fill the disk: up to a rate each one
is recorded, beyond it only their number. Decisions and deliveries are always recorded one by one.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.grant import DeviceGrant
from bootgrant.ports.audit import AuditFilter, AuditLog
from bootgrant.ports.configurations import WatchedSource
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.ports.time import Clock
from bootgrant.workflows.record.audit import opened

log = logging.getLogger("bootgrant.audit")

T = TypeVar("T")

OPENINGS: Final = 1000
"""Requests of machines that are recorded one by one however fast they come."""

OPENING_EVERY: Final = 0.1
"""Seconds in which one more may be recorded after such a burst."""

REFUSALS: Final = 10
REFUSAL_EVERY: Final = 6.0
"""The same for sign-ins that are refused: ten, then ten a minute."""

_GATHER: Final = 1.0
_AT_ONCE: Final = 100
_ADDRESSES: Final = 20


class RecordOften(ABC, Generic[T]):
    """``arrived`` notes one in well under a microsecond; ``step`` writes what was noted.

    ``burst`` are recorded one by one however fast they come, then one in each ``every`` seconds.
    """

    def __init__(self, audit: AuditLog, clock: Clock, burst: int, every: float) -> None:
        self._audit = audit
        self._clock = clock
        self._burst = burst
        self._every = every
        self._room = burst
        self._filled_at = clock.steady()
        self._new: list[T] = []
        self._more = 0
        self._addresses: dict[str, None] = {}
        self._something = asyncio.Event()

    @abstractmethod
    def address_of(self, one: T) -> str:
        """Where it came from."""

    @abstractmethod
    def event_of(self, one: T) -> AuditEvent:
        """What the audit says of it."""

    @abstractmethod
    def event_of_more(self, now: float, more: int, addresses: str) -> AuditEvent:
        """What the audit says of those beyond the bounds: their number, and addresses that they came from."""

    def arrived(self, one: T) -> None:
        """It has happened."""
        if self._room:
            self._room -= 1
            self._new.append(one)
        else:
            self._more += 1
            if len(self._addresses) < _ADDRESSES:
                self._addresses[self.address_of(one)] = None
        if not self._something.is_set():
            self._something.set()

    async def step(self) -> None:
        """Write what was noted. Raises StoreUnavailable, and keeps what was not written."""
        self._something.clear()
        while self._new:
            part = self._new[:_AT_ONCE]
            await self._audit.append([self.event_of(one) for one in part])
            del self._new[:_AT_ONCE]
        if self._more:
            more, addresses = self._more, ", ".join(sorted(self._addresses))
            await self._audit.append([self.event_of_more(self._clock.now(), more, addresses)])
            self._more -= more
            self._addresses.clear()
        self._refill()

    async def forever(self) -> None:
        """Write about once a second while something happens, a mere number less often; sleep while nothing does."""
        while True:
            await self._something.wait()
            await asyncio.sleep(_GATHER if self._new else max(_GATHER, self._every))
            try:
                await self.step()
            except StoreUnavailable as error:
                log.error("what happened is not in the audit yet: %s", error)  # noqa: TRY400  (the reason)
                self._something.set()

    def _refill(self) -> None:
        now = self._clock.steady()
        gained = int((now - self._filled_at) / self._every)
        if gained > 0:
            self._room = min(self._burst, self._room + gained)
            self._filled_at = now


class RecordOpenings(RecordOften[DeviceGrant]):
    """Machines that ask."""

    def __init__(self, audit: AuditLog, clock: Clock, burst: int = OPENINGS) -> None:
        super().__init__(audit, clock, burst, OPENING_EVERY)

    def address_of(self, one: DeviceGrant) -> str:
        return one.source_address

    def event_of(self, one: DeviceGrant) -> AuditEvent:
        return opened(one)

    def event_of_more(self, now: float, more: int, addresses: str) -> AuditEvent:
        return AuditEvent(at=now, kind=AuditKind.STORM, details={"requests": more, "from": addresses})


class RecordRefusals(RecordOften[AuditEvent]):
    """People, or what says it is one, who were not let in."""

    def __init__(self, audit: AuditLog, clock: Clock, burst: int = REFUSALS) -> None:
        super().__init__(audit, clock, burst, REFUSAL_EVERY)

    def address_of(self, one: AuditEvent) -> str:
        return one.address

    def event_of(self, one: AuditEvent) -> AuditEvent:
        return one

    def event_of_more(self, now: float, more: int, addresses: str) -> AuditEvent:
        return AuditEvent(at=now, kind=AuditKind.SIGN_IN_REFUSED, details={"refused": more, "from": addresses})


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
