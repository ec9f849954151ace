"""Every store keeps messages until they are sent, and reports each machine once to each target."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bootgrant.ports.notifications import Outbox, Outgoing, Topic
from bootgrant.store.database import Database
from support.grants import NOW

pytestmark = pytest.mark.anyio


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return database.outbox


def message(name: str, *grant_ids: str, target: str = "night") -> Outgoing:
    return Outgoing(name, target, grant_ids, NOW)


async def test_a_taken_message_is_due_again_when_its_lease_ends(outbox: Outbox) -> None:
    assert await outbox.enqueue(message("m1", "a", "b")) == 2
    [taken] = await outbox.take(["night"], NOW, NOW + 60, 10)
    assert taken == Outgoing("m1", "night", ("a", "b"), NOW, 1)
    assert list(await outbox.take(["night"], NOW + 59, NOW + 120, 10)) == []
    [again] = await outbox.take(["night"], NOW + 60, NOW + 120, 10)
    assert again.attempts == 2


async def test_each_target_hears_of_a_machine_once(outbox: Outbox) -> None:
    await outbox.enqueue(message("m1", "a", "b"))
    assert await outbox.enqueue(message("m2", "b", "c")) == 1
    assert await outbox.enqueue(message("m3", "a", "b", "c")) == 0
    assert await outbox.enqueue(message("m4", "a", target="chat")) == 1
    taken = {one.message_id: one.grant_ids for one in await outbox.take(["night", "chat"], NOW, NOW + 60, 10)}
    assert taken == {"m1": ("a", "b"), "m2": ("c",), "m4": ("a",)}


async def test_one_of_many_concurrent_messages_about_the_same_machines_is_kept(outbox: Outbox) -> None:
    ids = [f"g{number}" for number in range(50)]
    enqueued = [outbox.enqueue(message(f"m{number}", *ids)) for number in range(8)]
    assert sorted(await asyncio.gather(*enqueued)) == [0] * 7 + [50]


async def test_concurrent_takers_share_the_messages(outbox: Outbox) -> None:
    for number in range(20):
        await outbox.enqueue(message(f"m{number}", f"g{number}"))
    taken = await asyncio.gather(*(outbox.take(["night"], NOW, NOW + 60, 5) for _ in range(6)))
    names = [one.message_id for some in taken for one in some]
    assert len(names) == len(set(names))
    rest = await outbox.take(["night"], NOW, NOW + 60, 100)
    assert {*names, *(one.message_id for one in rest)} == {f"m{number}" for number in range(20)}


async def test_a_sent_or_postponed_message_is_not_due(outbox: Outbox) -> None:
    await outbox.enqueue(message("m1", "a"))
    await outbox.enqueue(message("m2", "b"))
    await outbox.done("m1")
    await outbox.postpone("m2", NOW + 30)
    assert list(await outbox.take(["night"], NOW + 29, NOW + 60, 10)) == []
    assert [one.message_id for one in await outbox.take(["night"], NOW + 30, NOW + 60, 10)] == ["m2"]


async def test_messages_to_a_removed_target_stay_until_they_are_old(outbox: Outbox) -> None:
    await outbox.enqueue(message("m1", "a", target="gone"))
    assert list(await outbox.take(["night"], NOW, NOW + 60, 10)) == []
    await outbox.forget(NOW)
    assert len(await outbox.take(["gone"], NOW, NOW, 10)) == 1
    await outbox.forget(NOW + 1)
    assert list(await outbox.take(["gone"], NOW + 5, NOW + 60, 10)) == []
    assert await outbox.enqueue(message("m2", "a", target="gone")) == 1


async def test_a_message_about_something_else_than_waiting_is_always_kept(outbox: Outbox) -> None:
    await outbox.enqueue(message("m1", "a"))
    for name in ("m2", "m3"):
        assert await outbox.enqueue(replace(message(name, "a"), topic=Topic.ELSEWHERE)) == 1
    assert await outbox.enqueue(message("m4", "a")) == 0
    taken = {one.message_id: one.topic for one in await outbox.take(["night"], NOW, NOW + 60, 10)}
    assert taken == {"m1": Topic.WAITING, "m2": Topic.ELSEWHERE, "m3": Topic.ELSEWHERE}
