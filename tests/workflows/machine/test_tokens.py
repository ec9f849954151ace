"""Polls that meet a slow store."""

from __future__ import annotations

import asyncio

import pytest

from bootgrant.approval.grant import DeviceGrant, GrantRules
from bootgrant.store.grant_book import GrantBook
from bootgrant.workflows.limits.admission import HeldPolls
from bootgrant.workflows.machine.tokens import PENDING, PollGrant
from support.fakes import FakeClock
from support.grants import NOW, pending_grant
from support.memory.database import MemoryDatabase

pytestmark = pytest.mark.anyio


class SlowBook(GrantBook):
    """Finds nothing until it is told to go on."""

    def __init__(self, book: GrantBook) -> None:
        self._book = book
        self.asked = 0
        self.goes_on = asyncio.Event()

    async def find_by_device_code(self, digest: bytes) -> DeviceGrant | None:
        self.asked += 1
        await self.goes_on.wait()
        return await self._book.find_by_device_code(digest)


async def test_a_store_that_stands_still_makes_no_patient_machine_a_hasty_one() -> None:
    grant, code = pending_grant()
    database, clock = MemoryDatabase(), FakeClock(NOW)
    await database.grants.open_grant(grant)
    slow = SlowBook(database.grants)
    poll = PollGrant(slow, clock, GrantRules(hold=0.0), HeldPolls(100))
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    polls = []
    for number in range(20):
        polls.append(asyncio.create_task(poll(grant.client_id, code, gone)))
        while slow.asked <= number:
            await asyncio.sleep(0)
        clock.advance(1)
    slow.goes_on.set()
    assert await asyncio.gather(*polls) == [PENDING] * 20
