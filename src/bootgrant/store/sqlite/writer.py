"""The one writer: a thread that takes whatever waits, does it in one transaction, and commits once for all.

An answer leaves only after the commit that holds its row (``synchronous=FULL``), and a hundred answers may share it.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from bootgrant.ports.grant_store import StoreUnavailable

_GROUP: Final = 512
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]


class Writer:
    """Owns the writing connection and its thread. ``close`` ends the thread once the queue is done."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._queue: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._connection = connection
        self._thread = threading.Thread(target=self._serve, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do ``work`` inside a transaction and return its value once that is durable.

        A failure undoes nothing of the others in the group: what ``work`` did before it raised stays, so only its
        last statement may fail.
        Raises what ``work`` raises, and StoreUnavailable for the store's own failures.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._queue.put(_Job(work, loop, future))
        return await future

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _serve(self) -> None:
        connection = self._connection
        try:
            while (job := self._queue.get()) is not None:
                group = [job]
                ended = self._fill(group)
                self._commit(connection, group)
                if ended:
                    return
        finally:
            connection.close()

    def _fill(self, group: list[_Job]) -> bool:
        """Take what already waits; True when the end of the queue was among it."""
        while len(group) < _GROUP:
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return False
            if job is None:
                return True
            group.append(job)
        return False

    def _commit(self, connection: sqlite3.Connection, group: list[_Job]) -> None:
        results: list[tuple[_Job, Any, BaseException | None]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in group:
                try:
                    results.append((job, job.work(connection), None))
                except Exception as error:  # noqa: BLE001  (every failure goes to the one who asked)
                    results.append((job, None, _named(error)))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            results = [(job, None, _named(error)) for job in group]
        for job, value, failure in results:
            job.loop.call_soon_threadsafe(_settle, job.future, value, failure)


def _named(error: Exception) -> Exception:
    if isinstance(error, sqlite3.Error):
        named = StoreUnavailable(f"the database cannot be written ({error})")
        named.__cause__ = error
        return named
    return error


def _settle(future: asyncio.Future[Any], value: object, failure: BaseException | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(value)
    else:
        future.set_exception(failure)
