"""Group commit: order, failures that reach only their own caller, and a store that is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.group_commit import GroupCommit

pytestmark = pytest.mark.anyio


class Doubler:
    """Doubles numbers once ``may_end`` is set; 13 fails, 17 has an exception as its outcome, ``down`` fails all."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.running = self.most_running = 0
        self.may_end = asyncio.Event()
        self.down = False

    async def __call__(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(numbers))
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        await self.may_end.wait()
        self.running -= 1
        if self.down:
            raise StoreUnavailable("gone")
        if 13 in numbers:
            raise ValueError("13")
        return [KeyError("17") if number == 17 else 2 * number for number in numbers]


async def begun(work: Doubler, groups: int) -> None:
    async with asyncio.timeout(5):
        while len(work.groups) < groups:
            await asyncio.sleep(0)


async def test_calls_that_arrive_during_a_group_form_the_next_one() -> None:
    work = Doubler()
    commits: GroupCommit[int, int] = GroupCommit(work, largest=3)
    first = asyncio.create_task(commits.run(0))
    await begun(work, 1)
    others = [asyncio.create_task(commits.run(number)) for number in range(1, 6)]
    await asyncio.sleep(0)
    work.may_end.set()
    assert await asyncio.gather(first, *others) == [0, 2, 4, 6, 8, 10]
    assert work.groups == [[0], [1, 2, 3], [4, 5]]


async def test_a_caller_that_was_answered_may_run_the_next_item_at_once() -> None:
    work = Doubler()
    work.may_end.set()
    commits: GroupCommit[int, int] = GroupCommit(work)
    async with asyncio.timeout(5):
        assert [await commits.run(number) for number in range(3)] == [0, 2, 4]


@pytest.mark.parametrize("parallel", [1, 2])
async def test_no_more_groups_run_than_allowed(parallel: int) -> None:
    work = Doubler()
    commits: GroupCommit[int, int] = GroupCommit(work, parallel=parallel, largest=1)
    calls = [asyncio.create_task(commits.run(number)) for number in range(6)]
    await begun(work, parallel)
    await asyncio.sleep(0)
    work.may_end.set()
    assert await asyncio.gather(*calls) == [0, 2, 4, 6, 8, 10]
    assert work.most_running == parallel


async def test_a_failure_reaches_only_the_caller_that_caused_it() -> None:
    work = Doubler()
    work.may_end.set()
    commits: GroupCommit[int, int] = GroupCommit(work)
    outcomes = await asyncio.gather(*(commits.run(number) for number in range(10, 18)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [int, int, int, ValueError, int, int, int, KeyError]


async def test_every_waiting_caller_hears_at_once_that_the_store_is_gone() -> None:
    work = Doubler()
    commits: GroupCommit[int, int] = GroupCommit(work, largest=2)
    calls = [asyncio.create_task(commits.run(number)) for number in range(5)]
    await begun(work, 1)
    work.down = True
    work.may_end.set()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 5
    assert len(work.groups) == 1
    work.down = False
    assert await commits.run(4) == 8


async def test_an_item_is_worked_on_although_its_caller_was_cancelled() -> None:
    work = Doubler()
    commits: GroupCommit[int, int] = GroupCommit(work)
    first = asyncio.create_task(commits.run(0))
    await begun(work, 1)
    gone, staying = asyncio.create_task(commits.run(1)), asyncio.create_task(commits.run(2))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    work.may_end.set()
    assert list(await asyncio.gather(first, staying)) == [0, 4]
    assert work.groups == [[0], [1, 2]]
