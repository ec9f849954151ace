"""Concurrent writes to one SQLite file share a transaction; a failing write is undone by itself, or with all others."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.sqlite.file import SqliteFile

pytestmark = pytest.mark.anyio


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SqliteFile]:
    """A file with one table. SQLite refuses 13, and rolls back the whole transaction for 17, as for a full disk."""
    with closing(sqlite3.connect(tmp_path / "file")) as connection:
        connection.executescript(
            "CREATE TABLE numbers (number INTEGER CHECK (number <> 13));"
            "CREATE TRIGGER full BEFORE INSERT ON numbers WHEN new.number = 17 "
            "BEGIN SELECT RAISE(ROLLBACK, 'full'); END;"
            "CREATE TABLE known (number INTEGER PRIMARY KEY);"
            "CREATE TABLE late (number INTEGER REFERENCES known DEFERRABLE INITIALLY DEFERRED);"
        )
    with closing(SqliteFile(tmp_path / "file")) as opened:
        yield opened


def insert(number: int, connection: sqlite3.Connection) -> int:
    connection.execute("INSERT INTO numbers VALUES (?)", (number,))
    if number == 19:
        raise ZeroDivisionError
    return number


async def write(file: SqliteFile, *numbers: int) -> list[int | BaseException]:
    writes = (file.write(partial(insert, number)) for number in numbers)
    return await asyncio.gather(*writes, return_exceptions=True)


def stored(file: SqliteFile) -> list[int]:
    return [row[0] for row in file.read("SELECT number FROM numbers ORDER BY number")]


async def test_a_failing_write_is_undone_and_the_others_are_kept(file: SqliteFile) -> None:
    outcomes = await write(file, 1, 13, 19, 2)
    assert [type(outcome) for outcome in outcomes] == [int, StoreUnavailable, ZeroDivisionError, int]
    assert stored(file) == [1, 2]
    assert file.counts.failures == 0


async def test_a_rolled_back_transaction_fails_all_its_writes_and_keeps_none(file: SqliteFile) -> None:
    outcomes = await write(file, 1, 17, 2)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 3
    assert stored(file) == []
    assert file.counts.failures == 1
    assert await write(file, 3) == [3]


async def test_work_that_arrives_during_a_failing_commit_is_still_written(file: SqliteFile) -> None:
    later: list[asyncio.Task[int]] = []

    def unknown(connection: sqlite3.Connection) -> None:
        """A reference that only the commit checks. The other write arrives while it runs."""
        connection.execute("INSERT INTO late VALUES (1)")
        later.append(asyncio.create_task(file.write(partial(insert, 2))))

    with pytest.raises(StoreUnavailable, match="FOREIGN KEY"):
        await file.write(unknown)
    assert await later[0] == 2
    assert stored(file) == [2]
    assert file.counts.failures == 1
