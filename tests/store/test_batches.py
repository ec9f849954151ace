"""Calls that share a round trip: order, failures that reach only their own, and a store that is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.postgres.batches import Batches

pytestmark = pytest.mark.anyio


class Doubler:
    """Doubles numbers once ``may_end``; 13 fails, and so does everything after ``down``."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_end = asyncio.Event()
        self.down = False

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        await self.may_end.wait()
        if self.down:
            raise StoreUnavailable("gone")
        if 13 in numbers:
            raise ValueError("13")
        return [2 * number for number in numbers]


async def begun(work: Doubler, batches: int) -> None:
    async with asyncio.timeout(5):
        while len(work.batches) < batches:
            await asyncio.sleep(0)


async def test_what_comes_while_a_batch_is_under_way_is_the_next_batch() -> None:
    work = Doubler()
    batches = Batches(work, at_once=1, most=3)
    first = asyncio.create_task(batches.ask(0))
    await begun(work, 1)
    others = [asyncio.create_task(batches.ask(number)) for number in range(1, 6)]
    await asyncio.sleep(0)
    work.may_end.set()
    assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10]
    assert work.batches == [[0], [1, 2, 3], [4, 5]]


async def test_a_failure_reaches_the_one_who_caused_it() -> None:
    work = Doubler()
    work.may_end.set()
    batches = Batches(work, at_once=1)
    outcomes = await asyncio.gather(*(batches.ask(number) for number in range(10, 16)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, int, int, ValueError, int, int]


async def test_a_store_that_is_gone_is_told_to_everybody_who_waits_at_once() -> None:
    work = Doubler()
    batches = Batches(work, at_once=1, most=2)
    asked = [asyncio.create_task(batches.ask(number)) for number in range(5)]
    await begun(work, 1)
    work.down = True
    work.may_end.set()
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 5
    assert len(work.batches) == 1
    work.down = False
    assert await batches.ask(4) == 8


async def test_who_stopped_waiting_is_left_out() -> None:
    work = Doubler()
    batches = Batches(work, at_once=1)
    first = asyncio.create_task(batches.ask(0))
    await begun(work, 1)
    gone, staying = asyncio.create_task(batches.ask(1)), asyncio.create_task(batches.ask(2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    work.may_end.set()
    assert list(await asyncio.gather(first, staying)) == [0, 4]
    assert work.batches == [[0], [2]]
