"""Every entry with what happened to it: waiting, approved, delivered, assigned; and how its configuration has changed
since the last delivery."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from bootgrant.approval.audit import ChainedEvent
from bootgrant.approval.grant import DeviceGrant
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.configurations import ConfigUnavailable, MachineEntry
from bootgrant.ports.deliveries import DeliveryStore, LastDelivery, NoPreview
from bootgrant.ports.grants import Assignment
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.assign_machine import AssignMachine

T = TypeVar("T")

MOST_EVENTS: Final = 50
_MOST_WAITING: Final = 500
_MOST_LINES: Final = 1000
_CONTEXT: Final = 3
_FROM: Final = "delivered"
_TO: Final = "now"


class MachineState(StrEnum):
    """What an entry's row begins with: the first of these that is true."""

    BROKEN = "broken"
    WAITING = "waiting"
    APPROVED = "approved"
    DELIVERED = "delivered"
    ASSIGNED = "assigned"
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Machine:
    """An entry, the requests that it would answer or was approved for, its assignments, and its last delivery."""

    entry: MachineEntry
    waiting: tuple[DeviceGrant, ...] = ()
    approved: tuple[DeviceGrant, ...] = ()
    assigned: tuple[Assignment, ...] = ()
    last: LastDelivery | None = None

    @property
    def state(self) -> MachineState:
        if self.entry.problem:
            return MachineState.BROKEN
        if self.waiting:
            return MachineState.WAITING
        if self.approved:
            return MachineState.APPROVED
        if self.last is not None:
            return MachineState.DELIVERED
        return MachineState.ASSIGNED if self.assigned else MachineState.NEW

    @property
    def identity(self) -> MachineIdentity | None:
        """The machine that the entry is shown for: the last one that got it, or else a waiting one, or one that it was
        assigned to. None means a sample."""
        if self.last is not None:
            return self.last.identity
        known = [grant.identity for grant in self.waiting] + [one.identity for one in self.assigned]
        return known[0] if known else None


class Difference(StrEnum):
    """How a configuration differs from the last delivery of its entry."""

    NEVER = "never"
    """It was never delivered."""
    SAME = "same"
    SHOWN = "shown"
    """The lines are in ``Changes.lines``."""
    HIDDEN = "hidden"
    """Only values differ that people may not see."""
    MADE = "made"
    """What people may see is the same. Values are made at each delivery, so the rest cannot be compared."""
    UNKNOWN = "unknown"
    """It differs, but no preview was kept of the delivery: ``Changes.why``."""
    BROKEN = "broken"
    """The configuration cannot be made now: ``Changes.problem``."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed since the last delivery. ``lines`` is a unified diff without secrets, of which ``more`` lines
    are left out. ``made`` names the values that are made at delivery, which are not compared."""

    what: Difference
    lines: tuple[str, ...] = ()
    more: int = 0
    made: str = ""
    why: NoPreview | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Machines:
    """Every method may raise StoreUnavailable, and all but ``story`` and ``changes`` ConfigUnavailable."""

    assign: AssignMachine
    deliveries: DeliveryStore

    async def every(self) -> Sequence[Machine]:
        """Return every entry, by name."""
        entries = await self.assign.source.entries()
        last = {delivery.entry: delivery for delivery in await self.deliveries.last_deliveries()}
        assigned = _by_entry((one.entry, one) for one in await self.assign.assignments.assignments())
        now = self.assign.clock.now()
        approved = _by_entry((grant.entry, grant) for grant in await self.assign.store.undelivered(now))
        waiting = _by_entry([(await self._entry_of(grant), grant) for grant in await self._pending(now)])
        return [
            Machine(
                entry,
                tuple(waiting.get(entry.name, ())),
                tuple(approved.get(entry.name, ())),
                tuple(assigned.get(entry.name, ())),
                last.get(entry.name),
            )
            for entry in entries
        ]

    async def one(self, name: str) -> Machine | None:
        """Return the entry with this name, or None."""
        return next((machine for machine in await self.every() if machine.entry.name == name), None)

    async def unknown(self) -> Sequence[DeviceGrant]:
        """Return the waiting requests to which an entry can be assigned: those without one, newest first."""
        pending = await self._pending(self.assign.clock.now())
        return [grant for grant in pending if await self._entry_of(grant) == ""]

    async def story(self, name: str) -> Sequence[ChainedEvent]:
        """Return the newest events of an entry, newest first."""
        return await self.assign.audit.newest(AuditFilter(entry=name), MOST_EVENTS)

    async def changes(self, name: str) -> Changes:
        """Compare the configuration of an entry with what was delivered last."""
        last = await self.deliveries.last_delivery(name)
        if last is None:
            return Changes(Difference.NEVER)
        try:
            rendered = await self.assign.source.render(name, last.identity)
            preview = await self.assign.source.preview(name, last.identity, plain=True)
        except ConfigUnavailable as problem:
            return Changes(Difference.BROKEN, problem=str(problem))
        if rendered is None or preview is None:
            return Changes(Difference.BROKEN, problem=f"the entry {name} is no longer in the configurations")
        made = last.made or ", ".join(rendered.mints)
        if not made and rendered.sha256 == last.digest:
            return Changes(Difference.SAME)
        return await self._compared(last, preview, made)

    async def _compared(self, last: LastDelivery, preview: str, made: str) -> Changes:
        before = await self.deliveries.preview_of(last)
        if isinstance(before, NoPreview):
            return Changes(Difference.UNKNOWN, made=made, why=before)
        lines = await asyncio.to_thread(_diff, before, preview)
        if not lines:
            return Changes(Difference.MADE if made else Difference.HIDDEN, made=made)
        shown = lines[:_MOST_LINES]
        return Changes(Difference.SHOWN, tuple(shown), len(lines) - len(shown), made)

    async def _pending(self, now: float) -> Sequence[DeviceGrant]:
        return await self.assign.store.pending_grants(now, _MOST_WAITING)

    async def _entry_of(self, grant: DeviceGrant) -> str | None:
        """Return the name of the entry that a request would get, empty if there is none; None if that is not known."""
        try:
            entry = await self.assign.source.find_entry(grant.identity)
        except ConfigUnavailable:
            return None
        if entry is not None:
            return entry.name
        assignment = await self.assign.find_entry.assignment_of(grant.identity)
        return assignment.entry if assignment else ""


def _by_entry(pairs: Iterable[tuple[str | None, T]]) -> Mapping[str | None, list[T]]:
    found: dict[str | None, list[T]] = {}
    for name, one in pairs:
        found.setdefault(name, []).append(one)
    return found


def _diff(before: str, after: str) -> list[str]:
    lines = before.splitlines(), after.splitlines()
    return list(difflib.unified_diff(*lines, _FROM, _TO, n=_CONTEXT, lineterm=""))
