"""The contract of every store of assignments and armed windows."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import AsyncExitStack

import pytest

from bootgrant.approval.operators import Author
from bootgrant.approval.policy import Conditions, Window, parse_selector
from bootgrant.ports.grants import Assignment
from bootgrant.store.database import Database
from bootgrant.store.postgres.connections import PostgresAddress
from bootgrant.store.postgres.database import open_postgres
from bootgrant.wire.identity import MachineIdentity
from support.grants import MAC, NOW, UUID

pytestmark = pytest.mark.anyio
MACHINE = MachineIdentity(UUID, "SN\\1", MAC)


def window(window_id: str = "w1", count: int = 3, until: float = NOW + 60) -> Window:
    conditions = Conditions(
        (parse_selector("site=fra,worker-*"), parse_selector("rack4-?")),
        (ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("fd00::/8")),
        ("network", "bmc"),
    )
    return Window(window_id, "rack4", conditions, Author("ana", "token:laptop"), NOW, until, count)


async def test_an_assignment_is_found_by_any_of_its_variables(database: Database) -> None:
    assignment = Assignment(MACHINE, "worker-17", "ana", NOW)
    await database.assignments.put(assignment)
    for identity in (MachineIdentity(uuid=UUID), MachineIdentity(serial="SN\\1"), MachineIdentity(mac=MAC)):
        assert await database.assignments.sharing(identity) == [assignment]
    assert await database.assignments.sharing(MachineIdentity(serial="other")) == []
    assert await database.assignments.sharing(MachineIdentity(hostname="x")) == []


async def test_a_second_assignment_replaces_the_first(database: Database) -> None:
    await database.assignments.put(Assignment(MACHINE, "worker-17", "ana", NOW))
    await database.assignments.put(Assignment(MACHINE, "worker-18", "ben", NOW + 1))
    assert [found.entry for found in await database.assignments.assignments()] == ["worker-18"]


async def test_an_assignment_can_be_removed_once(database: Database) -> None:
    await database.assignments.put(Assignment(MACHINE, "worker-17", "ana", NOW))
    assert [await database.assignments.remove(MACHINE.key) for _ in range(2)] == [True, False]
    assert await database.assignments.assignments() == []


async def test_an_armed_window_is_found_unchanged_until_it_is_disarmed(database: Database) -> None:
    await database.windows.arm(window())
    assert await database.windows.windows() == [window()]
    assert [await database.windows.disarm("w1") for _ in range(2)] == [True, False]
    assert await database.windows.windows() == []


async def test_a_window_approves_no_more_machines_than_its_count(database: Database) -> None:
    await database.windows.arm(window(count=5))
    taken = await asyncio.gather(*(database.windows.take_place("w1", NOW) for _ in range(30)))
    assert taken.count(True) == 5
    assert (await database.windows.windows())[0].used == 5


async def test_an_unused_place_is_given_back(database: Database) -> None:
    await database.windows.arm(window(count=1))
    assert await database.windows.take_place("w1", NOW)
    await database.windows.give_back("w1")
    await database.windows.give_back("w1")
    assert (await database.windows.windows())[0].used == 0
    assert await database.windows.take_place("w1", NOW)


async def test_an_expired_window_has_no_places_and_is_deleted_later(database: Database) -> None:
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
