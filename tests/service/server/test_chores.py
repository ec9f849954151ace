"""Background work is repeated, whatever it raises, and a chore that keeps failing is reported."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

import pytest

from bootgrant.ports.chores import Chore, failing
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.service.server.chores import Chores
from support.fakes import FakeClock

pytestmark = pytest.mark.anyio
QUICKLY = (0.0, 0.0)


class Work:
    """Raises each of ``errors`` in turn, then succeeds; ``wait`` blocks from the first success on."""

    def __init__(self, errors: Sequence[Exception] = ()) -> None:
        self.errors = list(errors)
        self.rounds = 0
        self.succeeded = asyncio.Event()
        self.tried_all = asyncio.Event()

    async def step(self) -> None:
        self.rounds += 1
        if self.errors:
            error = self.errors.pop(0)
            if not self.errors:
                self.tried_all.set()
            raise error
        self.succeeded.set()

    async def wait(self) -> None:
        await asyncio.Event().wait()


async def test_a_chore_that_raises_runs_again_and_its_traceback_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    work = Work([ZeroDivisionError("unforeseen")])
    chore = Chore("sweeping", work.step, work.wait)
    chores = Chores([chore], QUICKLY)
    chores.start()
    async with asyncio.timeout(10):
        await work.succeeded.wait()
    await chores.stop()
    assert work.rounds == 2
    assert chore.failures == 1
    failed = next(record for record in caplog.records if record.levelno == logging.ERROR)
    assert failed.message.startswith("sweeping: failed")
    assert failed.exc_info is not None


async def test_one_failing_chore_does_not_stop_another() -> None:
    broken, other = Work([OSError("x")] * 50), Work()
    broken_chore, other_chore = Chore("broken", broken.step, broken.wait), Chore("other", other.step, other.wait)
    chores = Chores([broken_chore, other_chore], QUICKLY)
    chores.start()
    async with asyncio.timeout(10):
        await other.succeeded.wait()
        await broken.succeeded.wait()
    await chores.stop()
    assert broken_chore.failures == 50
    assert other_chore.failures == 0


async def test_a_chore_is_reported_from_the_third_failure_in_a_row_until_it_works() -> None:
    release = asyncio.Event()
    work = Work([OSError("secret detail")] * 3)

    async def step() -> None:
        if work.tried_all.is_set():
            await release.wait()
        await work.step()

    chore = Chore("sweeping", step, work.wait)
    chores = Chores([chore], QUICKLY)
    assert failing([chore]) == []
    chores.start()
    async with asyncio.timeout(10):
        await work.tried_all.wait()
        await asyncio.sleep(0)
        assert failing([chore]) == ["sweeping failed 3 times in a row (OSError)"]
        release.set()
        await work.succeeded.wait()
    await asyncio.sleep(0)
    assert failing([chore]) == []
    await chores.stop()


async def test_two_failures_in_a_row_are_not_reported_yet() -> None:
    work = Work([OSError("x")] * 2)
    chore = Chore("sweeping", work.step, work.wait)
    chores = Chores([chore], QUICKLY)
    chores.start()
    async with asyncio.timeout(10):
        await work.tried_all.wait()
        await asyncio.sleep(0)
        assert failing([chore]) == []
    await chores.stop()


async def test_an_unavailable_database_is_logged_once_and_without_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    work = Work([StoreUnavailable("the disk is full")] * 5)
    chore = Chore("sweeping", work.step, work.wait)
    chores = Chores([chore], QUICKLY)
    chores.start()
    async with asyncio.timeout(10):
        await work.succeeded.wait()
    await chores.stop()
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert [record.message for record in errors] == ["sweeping: waiting for the database: the disk is full"]
    assert errors[0].exc_info is None


async def test_stopping_ends_a_chore_in_the_middle_of_its_step() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def step() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    chores = Chores([Chore("sweeping", step, step)])
    chores.start()
    async with asyncio.timeout(10):
        await began.wait()
        await chores.stop()
    assert ended.is_set()


def test_the_pause_after_failures_grows_to_a_limit_and_stays_short_without_a_database() -> None:
    work = Work()
    chore = Chore("sweeping", work.step, work.wait)
    chores = Chores([chore])
    pauses = [chores._note_failure(chore, OSError()) for _ in range(8)]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert chores._note_failure(chore, StoreUnavailable("away")) == 5.0


async def test_a_chore_notes_when_it_last_succeeded() -> None:
    work, clock = Work([OSError("x")]), FakeClock()
    chore = Chore("sweeping", work.step, work.wait)
    chores = Chores([chore], QUICKLY, clock)
    assert chore.succeeded_at is None
    chores.start()
    async with asyncio.timeout(10):
        await work.succeeded.wait()
    await chores.stop()
    assert chore.succeeded_at == clock.now()
