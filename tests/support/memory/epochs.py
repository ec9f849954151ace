"""What was accepted, and what waiting servers have seen, in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from bootgrant.approval.audit import AuditEvent, Head
from bootgrant.approval.epoch import TAKES_AWAY, Acceptance, Recorded, Seen, Taken
from bootgrant.ports.audit import AuditFilter
from support.memory.decisions import MemoryAuditLog


class MemoryEpochStore:
    """ports.epochs.EpochStore. ``void`` ends what an acceptance ends."""

    def __init__(self, audit: MemoryAuditLog, void: Callable[[], Awaitable[None]]) -> None:
        self._audit = audit
        self._void = void
        self._acceptances: list[Acceptance] = []
        self._reports: dict[str, Seen] = {}

    async def newest(self) -> Head:
        return await self._audit.head()

    async def recorded(self, seen: Seen) -> Recorded:
        records = [record async for page in self._audit.from_oldest() for record in page]
        first = (await self._audit.head()).seq - len(records) + 1
        digests = {first + number: digest for number, (_, digest) in enumerate(records)}
        return Recorded(await self._audit.head(), first if records else 0, digests, list(self._acceptances))

    async def taken_since(self, seq: int) -> Sequence[Taken]:
        found = await self._audit.newest(AuditFilter(kinds=tuple(TAKES_AWAY)), 400)
        return [Taken.of(record) for record in reversed(found) if record.seq > seq]

    async def report(self, server: str, seen: Seen, at: float) -> None:
        self._reports[server] = seen

    async def reports(self) -> Sequence[Seen]:
        return [self._reports[server] for server in sorted(self._reports)]

    async def accept(self, acceptances: Sequence[Acceptance], audit: AuditEvent) -> bool:
        known = {(each.epoch, each.covered_epoch) for each in self._acceptances}
        if (acceptances[0].epoch, acceptances[0].covered_epoch) in known:
            return False
        self._acceptances += acceptances
        self._reports.clear()
        await self._void()
        await self._audit.append([audit])
        return True
