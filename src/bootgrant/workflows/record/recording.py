"""Audit records that are written in the background: requests of machines, refused sign-ins, configuration revisions.

Anybody on the network can ask or try to sign in without end, and a flood must not fill the disk: up to a rate each one
is recorded, beyond it only their number. Decisions and deliveries are always recorded one by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, Generic, TypeVar

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.claims import NotAllowed, Person
from bootgrant.approval.grant import DeviceGrant
from bootgrant.ports.audit import AuditFilter, AuditLog
from bootgrant.ports.configurations import WatchedSource
from bootgrant.ports.time import Clock
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.record.audit import opened

T = TypeVar("T")

OPENINGS: Final = 1000
"""Requests of machines that are recorded one by one however fast they come."""

OPENING_EVERY: Final = 0.1
"""Seconds after which one more may be recorded after such a burst."""

REFUSALS: Final = 10
REFUSAL_EVERY: Final = 6.0
"""The same for refused sign-ins: ten, then ten a minute."""

_GATHER: Final = 1.0
_AT_ONCE: Final = 100
_ADDRESSES: Final = 20


class BoundedRecorder(Generic[T]):
    """A chore for one event loop: ``step`` writes what ``note`` took, ``wait`` returns when there is something new.

    Of a burst, ``burst`` are recorded one by one, then one in each ``every`` seconds; of the others an event of
    ``kind`` has their number, under the name ``counted``, and some of their addresses.
    """

    def __init__(
        self,
        audit: AuditLog,
        clock: Clock,
        burst: int,
        every: float,
        address_of: Callable[[T], str],
        event_of: Callable[[T], AuditEvent],
        kind: AuditKind,
        counted: str,
    ) -> None:
        self._audit = audit
        self._clock = clock
        self._burst = burst
        self._every = every
        self._address_of = address_of
        self._event_of = event_of
        self._kind = kind
        self._counted = counted
        self._room = burst
        self._filled_at = clock.steady()
        self._new: list[T] = []
        self._more = 0
        self._addresses: dict[str, None] = {}
        self._has_news = asyncio.Event()

    def note(self, item: T) -> bool:
        """Take it for the next step, in well under a microsecond. Return whether it gets a record of its own."""
        has_room = self._room > 0
        if has_room:
            self._room -= 1
            self._new.append(item)
        else:
            self._more += 1
            if len(self._addresses) < _ADDRESSES:
                self._addresses[self._address_of(item)] = None
        if not self._has_news.is_set():
            self._has_news.set()
        return has_room

    async def step(self) -> None:
        """Write what was noted. Raises StoreUnavailable and keeps what was not written."""
        self._has_news.clear()
        try:
            await self._write()
        except BaseException:
            self._has_news.set()
            raise
        self._refill()

    async def wait(self) -> None:
        """Return when there is something to write, about a second after it came, later for a mere number."""
        await self._has_news.wait()
        await asyncio.sleep(_GATHER if self._new else max(_GATHER, self._every))

    async def _write(self) -> None:
        while self._new:
            part = self._new[:_AT_ONCE]
            await self._audit.append([self._event_of(item) for item in part])
            del self._new[: len(part)]
        if self._more:
            more, addresses = self._more, ", ".join(sorted(self._addresses))
            details: dict[str, str | int] = {self._counted: more, "from": addresses}
            await self._audit.append([AuditEvent(at=self._clock.now(), kind=self._kind, details=details)])
            self._more -= more
            self._addresses.clear()

    def _refill(self) -> None:
        now = self._clock.steady()
        gained = int((now - self._filled_at) / self._every)
        if gained > 0:
            self._room = min(self._burst, self._room + gained)
            self._filled_at = now


class RecordOpenings(BoundedRecorder[DeviceGrant]):
    """New requests of machines."""

    def __init__(self, audit: AuditLog, clock: Clock, burst: int = OPENINGS) -> None:
        address_of = attrgetter("source_address")
        super().__init__(audit, clock, burst, OPENING_EVERY, address_of, opened, AuditKind.STORM, "requests")


class RecordRefusals(BoundedRecorder[AuditEvent]):
    """Refused sign-ins."""

    def __init__(self, audit: AuditLog, clock: Clock, burst: int = REFUSALS) -> None:
        kind, address_of = AuditKind.SIGN_IN_REFUSED, attrgetter("address")
        super().__init__(audit, clock, burst, REFUSAL_EVERY, address_of, lambda event: event, kind, "refused")


_SAME_AGAIN: Final = 3600.0
_MOST_SAME: Final = 1000


class RecordTokenRefusals(BoundedRecorder[AuditEvent]):
    """Tokens of outside providers with which no rule allows the delivery. A machine tries again every few seconds: the
    same refusal is recorded once in an hour."""

    def __init__(self, audit: AuditLog, clock: Clock, burst: int = REFUSALS) -> None:
        kind, address_of = AuditKind.TOKEN_REFUSED, attrgetter("address")
        super().__init__(audit, clock, burst, REFUSAL_EVERY, address_of, lambda event: event, kind, "refused")
        self._recorded: dict[tuple[str, ...], float] = {}

    def note_new(self, event: AuditEvent) -> None:
        """Take it for the next step, unless the same was taken within the last hour."""
        same = (event.actor, event.via, event.address, event.entry, event.reason, event.identity.key)
        last = self._recorded.pop(same, None)
        if last is not None and event.at - last < _SAME_AGAIN:
            self._recorded[same] = last
            return
        while len(self._recorded) >= _MOST_SAME:
            del self._recorded[next(iter(self._recorded))]
        self._recorded[same] = event.at
        self.note(event)


def token_refused(
    at: float, person: Person, why: NotAllowed, identity: MachineIdentity, address: str, entry: str
) -> AuditEvent:
    """Return the event of a token with which no rule allows a delivery."""
    reason, details = str(why), {}
    if why.explanation is not None:
        reason, details = "no rule of this provider matches the person", dict(why.explanation.details())
    via = f"provider:{person.provider}"
    return AuditEvent(
        at, AuditKind.TOKEN_REFUSED, str(person), via, identity=identity, address=address, entry=entry, reason=reason,
        details=details,
    )  # fmt: skip


_SNAPSHOTS: Final = AuditFilter(kinds=(AuditKind.CONFIG_SNAPSHOT,))
_PROBLEM: Final = 500


@dataclass(slots=True)
class RecordSnapshots:
    """Which revision of the configurations was served from when, and what kept a newer one from being used.

    Servers of one site, and restarts, record a state once: the newest record is not repeated.
    """

    audit: AuditLog
    source: WatchedSource
    clock: Clock
    _noted: tuple[str, str] | None = None

    async def step(self) -> None:
        """Record the state if it is new. Raises StoreUnavailable."""
        state = self.source.state()
        now = (state.revision, state.problem[:_PROBLEM])
        if now in (self._noted, ("", "")):
            return
        last = await self.audit.newest(_SNAPSHOTS, 1)
        if not last or (last[0].event.revision, last[0].event.reason) != now:
            event = AuditEvent(at=self.clock.now(), kind=AuditKind.CONFIG_SNAPSHOT, revision=now[0], reason=now[1])
            await self.audit.append([event])
        self._noted = now
