"""A watching page is notified when what it shows has changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bootgrant.approval.grant import DeviceGrant
from bootgrant.ports.chores import Chore
from bootgrant.service.server.chores import Chores
from bootgrant.workflows.decide.watch_requests import Watch, WatchRequests, queue_version, request_version
from support.fakes import FakeClock
from support.grants import NOW, decision_by, other_machine, pending_grant
from support.memory.database import MemoryDatabase

pytestmark = pytest.mark.anyio
PATIENCE = 10.0


@pytest.fixture
async def database() -> MemoryDatabase:
    return MemoryDatabase()


def grant(number: int = 1) -> DeviceGrant:
    return pending_grant(identity=other_machine(number))[0]


def test_a_version_changes_with_what_a_page_shows_and_with_nothing_else() -> None:
    one, two = grant(1), grant(2)
    assert queue_version([one, two]) == queue_version([two, one]) != queue_version([one])
    voted = one._replace(votes=(decision_by("ana", NOW),))
    assert queue_version([voted]) != queue_version([one])
    assert request_version(one, NOW) == request_version(one, NOW + 599) != request_version(one, NOW + 600)


@asynccontextmanager
async def running_chore(watching: WatchRequests) -> AsyncIterator[None]:
    """Run the chore, as a server does."""
    chores = Chores([Chore("live pages", watching.step, watching.wait)])
    chores.start()
    try:
        yield
    finally:
        await chores.stop()


async def test_a_viewer_of_the_queue_learns_of_a_new_machine(database: MemoryDatabase) -> None:
    watching = WatchRequests(database.grants, database.windows, FakeClock(NOW))
    async with running_chore(watching):
        waiting = asyncio.create_task(watching.queue(queue_version([]), PATIENCE))
        new = grant()
        await database.grants.open_grant(new)
        assert await waiting == queue_version([new])


async def test_viewers_with_an_old_version_get_the_current_one_at_once(database: MemoryDatabase) -> None:
    watching = WatchRequests(database.grants, database.windows, FakeClock(NOW))
    new = grant()
    await database.grants.open_grant(new)
    async with running_chore(watching):
        versions = await asyncio.gather(*(watching.queue("something old", PATIENCE) for _ in range(50)))
    assert set(versions) == {queue_version([new])}


async def test_the_queue_is_not_read_while_nobody_watches(database: MemoryDatabase) -> None:
    watching = WatchRequests(database.grants, database.windows, FakeClock(NOW))
    await watching.step()
    waiting = asyncio.create_task(watching.wait())
    await asyncio.sleep(0)
    assert not waiting.done()
    viewer = asyncio.create_task(watching.queue(queue_version([]), PATIENCE))
    async with asyncio.timeout(10):
        await waiting
    viewer.cancel()


async def test_a_viewer_of_a_request_learns_of_its_decision(database: MemoryDatabase) -> None:
    watching = WatchRequests(database.grants, database.windows, FakeClock(NOW))
    new = grant()
    await database.grants.open_grant(new)
    seen = await watching.request(new.grant_id, "", PATIENCE)
    assert isinstance(seen, str)
    waiting = asyncio.create_task(watching.request(new.grant_id, seen, PATIENCE))
    await database.grants.change_grant(new.grant_id, lambda stored: stored.deny(decision_by("ana", NOW)))
    assert await waiting not in (seen, Watch.QUIET, Watch.OVER)


async def test_the_wait_ends_after_its_patience_when_nothing_changes(database: MemoryDatabase) -> None:
    watching = WatchRequests(database.grants, database.windows, FakeClock(NOW))
    assert await watching.queue(queue_version([]), 0.05) is Watch.QUIET
    assert await watching.request("nobody", "", 0.05) is Watch.QUIET


async def test_more_viewers_than_the_limit_are_sent_away(database: MemoryDatabase) -> None:
    watching = WatchRequests(database.grants, database.windows, FakeClock(NOW), most=1)
    first = asyncio.create_task(watching.queue(queue_version([]), PATIENCE))
    await asyncio.sleep(0)
    assert await watching.queue(queue_version([]), PATIENCE) is Watch.OVER
    watching.drain()
    assert await first is Watch.OVER


async def test_a_server_that_stops_ends_all_waits(database: MemoryDatabase) -> None:
    watching = WatchRequests(database.grants, database.windows, FakeClock(NOW))
    waiting = asyncio.create_task(watching.queue(queue_version([]), PATIENCE))
    await asyncio.sleep(0)
    watching.drain()
    assert await waiting is Watch.OVER
    assert await watching.request("nobody", "", PATIENCE) is Watch.OVER
