"""Every store keeps how far each audit sink is, and lets one server at a time send to it."""

from __future__ import annotations

import asyncio

import pytest

from bootgrant.approval.audit import Head
from bootgrant.ports.audit_sinks import SinkState, SinkStore
from bootgrant.store.database import Database
from support.grants import NOW

pytestmark = pytest.mark.anyio
FIRST, THIRD = Head(1, "a" * 64), Head(3, "b" * 64)


@pytest.fixture
async def sinks(database: Database) -> SinkStore:
    """A store with the sink ``logs``, which has no record yet."""
    await database.sinks.begin("logs", Head())
    return database.sinks


async def test_a_sink_that_is_known_keeps_its_place(sinks: SinkStore) -> None:
    assert await sinks.take_turn("logs", "one", NOW, NOW + 45) == SinkState("logs", Head())
    assert await sinks.note_sent("logs", "one", THIRD, NOW + 1)
    await sinks.begin("logs", Head())
    await sinks.begin("files", FIRST)
    assert await sinks.sinks() == [SinkState("files", FIRST), SinkState("logs", THIRD, NOW + 1)]


async def test_an_unknown_sink_has_no_turn(sinks: SinkStore) -> None:
    assert await sinks.take_turn("other", "one", NOW, NOW + 45) is None


async def test_the_turn_is_another_servers_when_it_ends(sinks: SinkStore) -> None:
    assert await sinks.take_turn("logs", "one", NOW, NOW + 45)
    assert await sinks.take_turn("logs", "one", NOW + 1, NOW + 46)
    assert await sinks.take_turn("logs", "two", NOW + 45, NOW + 90) is None
    assert await sinks.take_turn("logs", "two", NOW + 46, NOW + 91)
    assert not await sinks.note_sent("logs", "one", FIRST, NOW + 47)
    assert await sinks.note_sent("logs", "two", FIRST, NOW + 47)


async def test_a_turn_that_was_ended_is_free_at_once(sinks: SinkStore) -> None:
    assert await sinks.take_turn("logs", "one", NOW, NOW + 45)
    await sinks.end_turn("logs", "two")
    assert await sinks.take_turn("logs", "two", NOW, NOW + 45) is None
    await sinks.end_turn("logs", "one")
    assert await sinks.take_turn("logs", "two", NOW, NOW + 45)


async def test_the_cursor_never_goes_back(sinks: SinkStore) -> None:
    await sinks.take_turn("logs", "one", NOW, NOW + 45)
    assert await sinks.note_sent("logs", "one", THIRD, NOW)
    assert not await sinks.note_sent("logs", "one", FIRST, NOW + 1)
    [state] = await sinks.sinks()
    assert state.sent == THIRD


async def test_a_failure_is_kept_until_a_success_and_ends_the_turn(sinks: SinkStore) -> None:
    await sinks.take_turn("logs", "one", NOW, NOW + 45)
    await sinks.note_failed("logs", "two", NOW + 1, "not its turn")
    await sinks.note_failed("logs", "one", NOW + 1, "refused")
    assert await sinks.sinks() == [SinkState("logs", Head(), None, NOW + 1, "refused")]
    assert await sinks.take_turn("logs", "two", NOW + 1, NOW + 46)
    await sinks.note_sent("logs", "two", FIRST, NOW + 2)
    assert await sinks.sinks() == [SinkState("logs", FIRST, NOW + 2, NOW + 1, "")]


async def test_one_of_many_servers_gets_the_turn(sinks: SinkStore) -> None:
    turns = await asyncio.gather(*(sinks.take_turn("logs", f"s{number}", NOW, NOW + 45) for number in range(8)))
    assert sum(turn is not None for turn in turns) == 1
