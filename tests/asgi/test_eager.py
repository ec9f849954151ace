"""A coroutine that is started eagerly behaves as if it had run in a task from the start."""

from __future__ import annotations

import asyncio

import pytest

from bootgrant.asgi.eager import Done, Rest, start

pytestmark = pytest.mark.anyio


async def test_a_coroutine_that_does_not_wait_is_done_immediately() -> None:
    async def answer() -> int:
        return 7

    assert start(answer()) == Done(7)


async def test_a_coroutine_that_waits_continues_in_a_task() -> None:
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


async def test_a_coroutine_that_only_waits_for_futures_needs_no_task() -> None:
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


async def test_without_a_task_a_failed_future_raises_where_it_is_awaited() -> None:
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


async def test_without_a_task_a_cancellation_reaches_the_coroutine_and_yields_no_value() -> None:
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    events: list[str] = []

    async def answer() -> None:
        try:
            await gate
        finally:
            events.append("ended")

    rest = start(answer())
    assert isinstance(rest, Rest)
    rest.then(lambda _rest, _value: events.append("value"))
    assert rest.cancel("the server stops")
    await asyncio.sleep(0)
    assert events == ["ended"]


async def test_an_early_or_late_error_reaches_the_caller() -> None:
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


async def test_a_cancellation_reaches_the_coroutine_and_its_future() -> None:
    gate: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    events: list[str] = []

    async def answer() -> None:
        try:
            await gate
        finally:
            events.append("ended")

    rest = start(answer())
    assert isinstance(rest, Rest)

    async def finish() -> None:
        await rest

    task = asyncio.create_task(finish())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == ["ended"]
    assert gate.cancelled()
