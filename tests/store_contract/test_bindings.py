"""On every store, an outside token is bound to the first machine that shows it."""

from __future__ import annotations

import asyncio

import pytest

from bootgrant.ports.grants import Binding
from bootgrant.store.database import Database
from support.grants import NOW

pytestmark = pytest.mark.anyio


def binding(machine: str = "uuid-1||", digest: bytes = b"d" * 32, **changes: float) -> Binding:
    times = {"bound_at": NOW, "expires_at": NOW + 300} | changes
    return Binding(digest, machine, "10.20.0.11", "worker-1", **times)


async def test_the_first_binding_of_a_token_stays(database: Database) -> None:
    first = await database.bindings.bind(binding())
    assert first == binding()
    assert await database.bindings.bind(binding("uuid-2||")) == first


async def test_one_of_many_concurrent_bindings_wins(database: Database) -> None:
    found = await asyncio.gather(*(database.bindings.bind(binding(f"uuid-{n}||")) for n in range(20)))
    assert len(set(found)) == 1


async def test_only_the_first_delivery_is_recorded(database: Database) -> None:
    await database.bindings.bind(binding())
    await database.bindings.mark_delivered(binding().digest, NOW + 5)
    await database.bindings.mark_delivered(binding().digest, NOW + 50)
    assert (await database.bindings.bind(binding())).delivered_at == NOW + 5
    await database.bindings.mark_delivered(b"x" * 32, NOW)


async def test_bindings_of_ended_tokens_are_deleted_in_steps(database: Database) -> None:
    for number in range(5):
        await database.bindings.bind(binding(digest=bytes([number]) * 32, expires_at=NOW - number))
    assert await database.bindings.forget_bindings(NOW - 0.5, 3) == 3
    assert await database.bindings.forget_bindings(NOW - 0.5, 3) == 1
    assert await database.bindings.forget_bindings(NOW - 0.5, 3) == 0
