"""The audit log, assignments, armed windows and bindings in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace

from bootgrant.approval.audit import AuditEvent, AuditKind, ChainedEvent, Head, chain
from bootgrant.approval.epoch import TAKES_AWAY
from bootgrant.approval.policy import Window
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.deliveries import LastDelivery, NoPreview
from bootgrant.ports.grants import Assignment, AuditOfWindow, Binding
from bootgrant.wire.identity import MachineIdentity


class MemoryDeliveryStore:
    """ports.deliveries.DeliveryStore in a dictionary."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[LastDelivery, str | NoPreview]] = {}

    def note(self, record: ChainedEvent) -> None:
        event = record.event
        if event.kind is AuditKind.DELIVERED and event.entry:
            place = (event.entry, record.seq, event.at, event.address, event.identity)
            made = str(event.details.get("made_at_delivery", ""))
            delivery = LastDelivery(*place, event.grant_id, event.revision, event.digest, made)
            self._kept[event.entry] = (delivery, NoPreview.PENDING)

    async def last_deliveries(self) -> Sequence[LastDelivery]:
        return [self._kept[name][0] for name in sorted(self._kept)]

    async def last_delivery(self, entry: str) -> LastDelivery | None:
        return self._kept[entry][0] if entry in self._kept else None

    async def preview_of(self, delivery: LastDelivery) -> str | NoPreview:
        kept, preview = self._kept[delivery.entry]
        return preview if kept.seq == delivery.seq else NoPreview.CHANGED

    async def without_preview(self, limit: int) -> Sequence[LastDelivery]:
        pending = [kept for kept, preview in self._kept.values() if preview is NoPreview.PENDING]
        return sorted(pending, key=lambda delivery: delivery.seq)[:limit]

    async def keep_preview(self, delivery: LastDelivery, preview: str | NoPreview) -> None:
        if self._kept[delivery.entry][0].seq == delivery.seq:
            self._kept[delivery.entry] = (delivery, preview)


class MemoryAuditLog:
    """ports.audit.AuditLog in a list."""

    def __init__(self) -> None:
        self._records: list[ChainedEvent] = []
        self._head = Head()
        self.deliveries = MemoryDeliveryStore()
        self.after_taking_away: Callable[[], Awaitable[None]] | None = None

    async def append(self, events: Sequence[AuditEvent]) -> Head:
        for record in chain(events, self._head):
            self._records.append(record)
            self._head = Head(record.seq, record.digest)
            self.deliveries.note(record)
        if self.after_taking_away is not None and any(event.kind in TAKES_AWAY for event in events):
            await self.after_taking_away()
        return self._head

    async def head(self) -> Head:
        return self._head

    async def newest(self, which: AuditFilter, limit: int, before: int | None = None) -> Sequence[ChainedEvent]:
        found = (r for r in reversed(self._records) if (before is None or r.seq < before) and which.matches(r.event))
        return [record for record, _ in zip(found, range(limit), strict=False)]

    async def count(self, which: AuditFilter, most: int) -> int:
        return len(await self.newest(which, most))

    async def from_oldest(self, first: int = 1) -> AsyncIterator[Sequence[tuple[str, str]]]:
        if page := [(record.line, record.digest) for record in self._records if record.seq >= first]:
            yield page

    async def drop_sealed(self, through: int, seal: AuditEvent) -> Head:
        head = await self.append([seal])
        self._records = [record for record in self._records if record.seq > through]
        return head


def _share(one: MachineIdentity, other: MachineIdentity) -> bool:
    return any(getattr(one, name) and getattr(one, name) == getattr(other, name) for name in MachineIdentity.STRONG)


class MemoryAssignmentStore:
    """ports.grants.AssignmentStore in a dictionary."""

    def __init__(self) -> None:
        self._by_key: dict[str, Assignment] = {}

    async def put(self, assignment: Assignment) -> None:
        self._by_key[assignment.identity.key] = assignment

    async def sharing(self, identity: MachineIdentity) -> Sequence[Assignment]:
        return [found for found in await self.assignments() if _share(found.identity, identity)]

    async def remove(self, identity_key: str) -> bool:
        return self._by_key.pop(identity_key, None) is not None

    async def assignments(self) -> Sequence[Assignment]:
        return sorted(self._by_key.values(), key=lambda assignment: assignment.at, reverse=True)


class MemoryWindowStore:
    """ports.grants.WindowStore in a dictionary."""

    def __init__(self, audit: MemoryAuditLog | None = None) -> None:
        self._audit = audit or MemoryAuditLog()
        self._by_id: dict[str, Window] = {}

    async def arm(self, window: Window, audit: AuditEvent | None = None) -> None:
        self._by_id[window.window_id] = window
        await self._audit.append([audit] if audit else [])

    async def disarm(self, window_id: str, audit: AuditOfWindow | None = None) -> bool:
        window = self._by_id.get(window_id)
        await self._audit.append([audit(window)] if audit and window else [])
        return self._by_id.pop(window_id, None) is not None

    async def windows(self) -> Sequence[Window]:
        return sorted(self._by_id.values(), key=lambda window: window.armed_at)

    async def take_place(self, window_id: str, now: float) -> bool:
        window = self._by_id.get(window_id)
        if window is None or not window.is_open(now):
            return False
        self._by_id[window_id] = replace(window, used=window.used + 1)
        return True

    async def give_back(self, window_id: str) -> None:
        if (window := self._by_id.get(window_id)) is not None:
            self._by_id[window_id] = replace(window, used=max(0, window.used - 1))

    async def forget_before(self, until: float) -> None:
        self._by_id = {window_id: window for window_id, window in self._by_id.items() if window.until >= until}


class MemoryBindingStore:
    """ports.grants.BindingStore in a dictionary."""

    def __init__(self) -> None:
        self._bindings: dict[bytes, Binding] = {}

    async def bind(self, binding: Binding) -> Binding:
        return self._bindings.setdefault(binding.digest, binding)

    async def mark_delivered(self, digest: bytes, at: float) -> None:
        binding = self._bindings.get(digest)
        if binding is not None and binding.delivered_at is None:
            self._bindings[digest] = replace(binding, delivered_at=at)

    async def forget_bindings(self, expired_before: float, limit: int) -> int:
        expired = [digest for digest, kept in self._bindings.items() if kept.expires_at < expired_before][:limit]
        for digest in expired:
            del self._bindings[digest]
        return len(expired)
