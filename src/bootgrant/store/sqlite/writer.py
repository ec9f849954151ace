"""The one writer: what waits is done in one transaction, and one commit makes all of it durable.

The statements run on the event loop's thread (they touch the page cache only); the commit, which waits for the disk
(``synchronous=FULL``), runs in a thread of its own, and what arrives meanwhile is the next transaction.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from bootgrant.ports.database import StoreCounts
from bootgrant.ports.grants import StoreUnavailable

T = TypeVar("T")


@dataclass(slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    done: asyncio.Future[Any]


class Writer:
    """Owns the writing connection. Used from one event loop at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-commit")
        self._jobs: list[_Job] = []
        self._task: asyncio.Task[None] | None = None
        self.counts = StoreCounts()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do ``work`` inside a transaction and return its value once that is durable.

        ``work`` leaves nothing behind when it raises; others in the same transaction are not touched by that.
        Raises what ``work`` raises, and StoreUnavailable for the database's own failures.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._jobs.append(_Job(work, done))
        if self._task is None:
            self._task = loop.create_task(self._serve())
        return await done

    def close(self) -> None:
        self._disk.shutdown()
        self._connection.close()

    async def _serve(self) -> None:
        try:
            while self._jobs:
                jobs, self._jobs = self._jobs, []
                await self._transaction(jobs)
        finally:
            self._task = None

    async def _transaction(self, jobs: list[_Job]) -> None:
        results: list[tuple[_Job, Any]] = []
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for job in jobs:
                try:
                    results.append((job, self._savepoint(job)))
                except Exception as error:  # noqa: BLE001  (every failure goes to the one who asked)
                    _tell(job.done, None, _named(error))
            await loop.run_in_executor(self._disk, self._connection.execute, "COMMIT")
        except (sqlite3.Error, RuntimeError) as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            self.counts.failures += 1
            for job in jobs:
                _tell(job.done, None, _named(error))
            return
        self.counts.transactions.add(loop.time() - began)
        for job, value in results:
            _tell(job.done, value, None)

    def _savepoint(self, job: _Job) -> Any:
        """A failed job undoes its own statements and no others."""
        self._connection.execute("SAVEPOINT job")
        try:
            return job.work(self._connection)
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK TO job")
            raise
        finally:
            if self._connection.in_transaction:
                self._connection.execute("RELEASE job")


def _named(error: Exception) -> Exception:
    if isinstance(error, (sqlite3.Error, RuntimeError)):
        named = StoreUnavailable(f"the database cannot be written ({error})")
        named.__cause__ = error
        return named
    return error


def _tell(done: asyncio.Future[Any], value: object, failure: BaseException | None) -> None:
    if done.done():
        return
    if failure is None:
        done.set_result(value)
    else:
        done.set_exception(failure)
