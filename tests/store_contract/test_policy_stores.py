"""What every store of assignments and windows keeps to."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import AsyncExitStack

import pytest

from bootgrant.approval.operators import Author
from bootgrant.approval.policy import Conditions, Window, parse_selector
from bootgrant.ports.grants import Assignment
from bootgrant.store.database import Database
from bootgrant.store.postgres.address import PostgresAddress
from bootgrant.store.postgres.database import open_postgres
from bootgrant.wire.identity import MachineIdentity
from support.grants import MAC, NOW, UUID

pytestmark = pytest.mark.anyio
WHO = MachineIdentity(UUID, "SN\\1", MAC)


def window(window_id: str = "w1", count: int = 3, until: float = NOW + 60) -> Window:
    conditions = Conditions(
        (parse_selector("site=fra,worker-*"), parse_selector("rack4-?")),
        (ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("fd00::/8")),
        ("network", "bmc"),
    )
    return Window(window_id, "rack4", conditions, Author("ana", "token:laptop"), NOW, until, count)


async def test_an_assignment_is_found_by_any_of_its_variables(database: Database) -> None:
    given = Assignment(WHO, "worker-17", "ana", NOW)
    await database.assignments.put(given)
    for identity in (MachineIdentity(uuid=UUID), MachineIdentity(serial="SN\\1"), MachineIdentity(mac=MAC)):
        assert await database.assignments.sharing(identity) == [given]
    assert await database.assignments.sharing(MachineIdentity(serial="other")) == []
    assert await database.assignments.sharing(MachineIdentity(hostname="x")) == []


async def test_a_second_assignment_takes_the_place_of_the_first(database: Database) -> None:
    await database.assignments.put(Assignment(WHO, "worker-17", "ana", NOW))
    await database.assignments.put(Assignment(WHO, "worker-18", "ben", NOW + 1))
    assert [found.entry for found in await database.assignments.assignments()] == ["worker-18"]


async def test_what_was_taken_away_is_gone_once(database: Database) -> None:
    await database.assignments.put(Assignment(WHO, "worker-17", "ana", NOW))
    assert [await database.assignments.remove(WHO.key) for _ in range(2)] == [True, False]
    assert await database.assignments.assignments() == []


async def test_a_window_is_found_as_it_was_armed(database: Database) -> None:
    await database.windows.arm(window())
    assert await database.windows.windows() == [window()]
    assert [await database.windows.disarm("w1") for _ in range(2)] == [True, False]
    assert await database.windows.windows() == []


async def test_no_more_get_in_than_a_window_has_places(database: Database) -> None:
    await database.windows.arm(window(count=5))
    taken = await asyncio.gather(*(database.windows.take_place("w1", NOW) for _ in range(30)))
    assert taken.count(True) == 5
    assert (await database.windows.windows())[0].used == 5


async def test_a_place_that_was_not_needed_is_given_back(database: Database) -> None:
    await database.windows.arm(window(count=1))
    assert await database.windows.take_place("w1", NOW)
    await database.windows.give_back("w1")
    await database.windows.give_back("w1")
    assert (await database.windows.windows())[0].used == 0
    assert await database.windows.take_place("w1", NOW)


async def test_a_window_that_is_over_lets_nobody_in_and_is_forgotten_later(database: Database) -> None:
    await database.windows.arm(window(until=NOW))
    assert not await database.windows.take_place("w1", NOW)
    assert not await database.windows.take_place("unknown", NOW)
    await database.windows.forget_before(NOW)
    assert len(await database.windows.windows()) == 1
    await database.windows.forget_before(NOW + 1)
    assert await database.windows.windows() == []


async def test_two_servers_share_the_places_of_a_window(address: PostgresAddress) -> None:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(open_postgres(address, 4)) for _ in range(2)]
        await servers[0].windows.arm(window(count=12))
        taken = await asyncio.gather(*(servers[n % 2].windows.take_place("w1", NOW) for n in range(40)))
        assert taken.count(True) == 12
        assert (await servers[1].windows.windows())[0].used == 12
