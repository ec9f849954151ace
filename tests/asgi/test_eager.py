"""A coroutine that is begun at once and finished in a task behaves as if it had been in the task from the start."""

from __future__ import annotations

import asyncio

import pytest

from bootgrant.asgi.eager import Done, Rest, start

pytestmark = pytest.mark.anyio


async def test_what_does_not_wait_is_done_at_once() -> None:
    async def answer() -> int:
        return 7

    assert start(answer()) == Done(7)


async def test_what_waits_goes_on_in_a_task() -> None:
    gates = [asyncio.get_running_loop().create_future() for _ in range(3)]

    async def answer() -> list[int]:
        return [await gate for gate in gates]

    rest = start(answer())
    assert isinstance(rest, Rest)

    async def finish() -> list[int]:
        return await rest

    task = asyncio.create_task(finish())
    for number, gate in enumerate(gates):
        await asyncio.sleep(0)
        gate.set_result(number)
    assert await task == [0, 1, 2]


async def test_what_only_waits_for_futures_goes_on_without_a_task() -> None:
    gates = [asyncio.get_running_loop().create_future() for _ in range(3)]
    ended: asyncio.Future[list[int]] = asyncio.get_running_loop().create_future()

    async def answer() -> list[int]:
        return [await gate for gate in gates]

    rest = start(answer())
    assert isinstance(rest, Rest)
    rest.then(lambda _rest, value: ended.set_result(value))
    before = asyncio.all_tasks()
    for number, gate in enumerate(gates):
        gate.set_result(number)
    assert await ended == [0, 1, 2]
    assert asyncio.all_tasks() == before


async def test_without_a_task_a_failed_future_is_raised_where_it_is_awaited() -> None:
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def answer() -> str:
        try:
            await gate
        except KeyError as error:
            return f"refused: {error}"
        return "fine"

    rest = start(answer())
    assert isinstance(rest, Rest)
    rest.then(lambda _rest, value: ended.set_result(value))
    gate.set_exception(KeyError("late"))
    assert await ended == "refused: 'late'"


async def test_without_a_task_a_cancellation_reaches_the_coroutine_and_nobody_gets_a_value() -> None:
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    told: list[str] = []

    async def answer() -> None:
        try:
            await gate
        finally:
            told.append("ended")

    rest = start(answer())
    assert isinstance(rest, Rest)
    rest.then(lambda _rest, _value: told.append("value"))
    assert rest.cancel("the server stops")
    await asyncio.sleep(0)
    assert told == ["ended"]


async def test_an_error_at_once_or_later_reaches_who_asked() -> None:
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def fail() -> None:
        await gate
        raise KeyError("late")

    rest = start(fail())
    assert isinstance(rest, Rest)
    gate.set_result(None)
    with pytest.raises(KeyError, match="late"):
        await rest

    async def fail_now() -> None:
        raise KeyError("now")

    with pytest.raises(KeyError, match="now"):
        start(fail_now())


async def test_a_cancellation_reaches_the_coroutine_and_what_it_waits_for() -> None:
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    told: list[str] = []

    async def answer() -> None:
        try:
            await gate
        finally:
            told.append("ended")

    rest = start(answer())
    assert isinstance(rest, Rest)

    async def finish() -> None:
        await rest

    task = asyncio.create_task(finish())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == ["ended"]
    assert gate.cancelled()
