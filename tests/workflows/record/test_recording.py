"""New requests are recorded in the audit, and a flood of them does not fill it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind, Head
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.workflows.record.recording import OPENING_EVERY, RecordOpenings
from support.fakes import FakeClock
from support.grants import MAC, NOW, UUID, pending_grant
from support.memory.decisions import MemoryAuditLog

pytestmark = pytest.mark.anyio


class BrokenNow(MemoryAuditLog):
    """An audit that cannot be written while ``broken``."""

    broken = True

    async def append(self, events: Sequence[AuditEvent]) -> Head:
        if self.broken:
            raise StoreUnavailable("disk full")
        return await super().append(events)


async def kinds(audit: MemoryAuditLog) -> list[AuditKind]:
    return [record.event.kind for record in reversed(await audit.newest(AuditFilter(), 10_000))]


async def test_a_request_is_recorded_with_its_claim() -> None:
    audit = MemoryAuditLog()
    openings = RecordOpenings(audit, FakeClock(NOW))
    grant, _ = pending_grant()
    openings.note(grant)
    assert await kinds(audit) == []
    await openings.step()
    (record,) = await audit.newest(AuditFilter(), 10)
    event = record.event
    assert (event.at, event.grant_id, event.address) == (NOW, grant.grant_id, "10.20.0.11")
    assert event.identity.given() == {"uuid": UUID, "mac": MAC}


async def test_beyond_a_burst_only_the_number_of_requests_is_recorded() -> None:
    audit, clock = MemoryAuditLog(), FakeClock(NOW)
    openings = RecordOpenings(audit, clock, burst=10)
    for number in range(500):
        openings.note(pending_grant(source_address=f"10.66.0.{number % 3}")[0])
    await openings.step()
    assert await kinds(audit) == [AuditKind.OPENED] * 10 + [AuditKind.STORM]
    (storm,) = await audit.newest(AuditFilter(kinds=(AuditKind.STORM,)), 1)
    assert storm.event.details == {"requests": 490, "from": "10.66.0.0, 10.66.0.1, 10.66.0.2"}
    clock.advance(3.5 * OPENING_EVERY)
    await openings.step()
    for _ in range(5):
        openings.note(pending_grant()[0])
    await openings.step()
    assert (await kinds(audit))[11:] == [AuditKind.OPENED] * 3 + [AuditKind.STORM]


async def test_a_record_that_could_not_be_written_is_written_later() -> None:
    audit = BrokenNow()
    openings = RecordOpenings(audit, FakeClock(NOW))
    openings.note(pending_grant()[0])
    with pytest.raises(StoreUnavailable):
        await openings.step()
    audit.broken = False
    await openings.step()
    assert await kinds(audit) == [AuditKind.OPENED]


async def test_the_wait_ends_when_there_is_something_to_write() -> None:
    audit = BrokenNow()
    openings = RecordOpenings(audit, FakeClock(NOW))
    waiting = asyncio.create_task(openings.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    openings.note(pending_grant()[0])
    await asyncio.wait_for(waiting, 5)
    with pytest.raises(StoreUnavailable):
        await openings.step()
    await asyncio.wait_for(openings.wait(), 5)
