"""One SQLite file with a connection that reads and one that writes, in groups that one commit makes durable.

Statements run on the event loop's thread, where they only touch the page cache. The commit, which waits for the disk
(``synchronous=FULL``), runs in a thread of its own; what arrives meanwhile is the next transaction.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.database import StoreCounts
from bootgrant.store.group_commit import GroupCommit
from bootgrant.store.rows import Row

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]


class NotingConnection(sqlite3.Connection):
    """``took_away``: the current work, or the last one, appended an audit record that takes rights away."""

    took_away = False


async def _nothing() -> None:
    """What follows such a commit if nobody wants to know."""


class SqliteFile:
    """The opened file. Used from one event loop at a time. Raises StoreUnavailable when it cannot be opened."""

    def __init__(self, path: Path) -> None:
        try:
            self._reading, self._writing = _connect(path), _connect(path)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{path} cannot be opened ({error})") from error
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-commit")
        self._commits: GroupCommit[Work, Any] = GroupCommit(self._transaction)
        self.counts = StoreCounts()
        self.after_taking_away: Callable[[], Awaitable[None]] = _nothing
        """Called after a commit that took rights away, before its caller is answered. Never raises."""

    def read(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Return all rows of a SELECT. Raises StoreUnavailable."""
        try:
            return self._reading.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the database cannot be read ({error})") from error

    async def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run ``work`` inside a transaction and return its value when that is durable.

        If ``work`` raises, its own statements are undone and those of others in the same transaction are kept. Raises
        what ``work`` raises, and StoreUnavailable for failures of the database.
        """
        took_away = False

        def noting(connection: sqlite3.Connection) -> T:
            nonlocal took_away
            self._writing.took_away = False
            done = work(connection)
            took_away = self._writing.took_away
            return done

        value: T = await self._commits.run(noting)
        # Only this caller waits: the next transaction has begun meanwhile.
        if took_away:
            await self.after_taking_away()
        return value

    def close(self) -> None:
        self._disk.shutdown()
        self._writing.close()
        self._reading.close()

    async def _transaction(self, group: Sequence[Work]) -> Sequence[Any]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            self._writing.execute("BEGIN IMMEDIATE")
            outcomes = [self._savepoint(work) for work in group]
            await loop.run_in_executor(self._disk, self._writing.execute, "COMMIT")
        except (sqlite3.Error, RuntimeError) as error:
            if self._writing.in_transaction:
                self._writing.execute("ROLLBACK")
            self.counts.failures += 1
            # Returned, not raised: work that arrived meanwhile is still tried.
            return [_unavailable(error) for _ in group]
        self.counts.transactions.add(loop.time() - began)
        return outcomes

    def _savepoint(self, work: Work) -> Any:
        """Return what ``work`` returns, or, with its statements undone, what it raised."""
        self._writing.execute("SAVEPOINT job")
        try:
            return work(self._writing)
        except Exception as error:
            if not self._writing.in_transaction:
                # SQLite has rolled back the whole transaction (a full disk, for example), not only this work.
                raise
            self._writing.execute("ROLLBACK TO job")
            return _unavailable(error) if isinstance(error, (sqlite3.Error, RuntimeError)) else error
        finally:
            if self._writing.in_transaction:
                self._writing.execute("RELEASE job")


def _unavailable(error: Exception) -> StoreUnavailable:
    unavailable = StoreUnavailable(f"the database cannot be written ({error})")
    unavailable.__cause__ = error
    return unavailable


def _connect(path: Path) -> NotingConnection:
    # Each connection is used by one thread at a time: the event loop's or the committing one.
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=64, factory=NotingConnection
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA busy_timeout = 5000")
    return connection
