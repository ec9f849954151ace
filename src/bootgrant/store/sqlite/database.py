"""One SQLite file, opened: the stores on it, and the lock that keeps a second server away."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final

from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.bindings import BindingRows
from bootgrant.store.folder_lock import FolderLock
from bootgrant.store.grant_book import GrantBook
from bootgrant.store.grant_index import GrantIndex
from bootgrant.store.people.api_tokens import ApiTokenRows
from bootgrant.store.people.challenges import ChallengeRows
from bootgrant.store.people.operators import OperatorRows
from bootgrant.store.people.passkeys import PasskeyRows
from bootgrant.store.policy_rows import AssignmentRows, WindowRows
from bootgrant.store.sqlite.audit import SqliteAuditLog
from bootgrant.store.sqlite.grants import SqliteJournal
from bootgrant.store.sqlite.migrations import migrate
from bootgrant.store.sqlite.outbox import SqliteOutbox
from bootgrant.store.sqlite.rows import SqliteRows
from bootgrant.store.sqlite.writer import Writer

DATABASE: Final = "bootgrant.sqlite3"


class SqliteDatabase:
    """``data/bootgrant.sqlite3`` of a site, migrated and locked. A context manager; ``close`` ends the writer.
    ``now`` (Unix seconds) says which grants may still be asked about.

    Raises StoreUnavailable when another process has it, or when it cannot be opened.
    """

    def __init__(self, folder: Path, now: float) -> None:
        self._path = folder / DATABASE
        self._lock = FolderLock(folder)
        try:
            migrate(self._path)
            self._reader = _connect(self._path)
            self._writer = Writer(_connect(self._path))
        except sqlite3.Error as error:
            self._lock.close()
            raise StoreUnavailable(f"{self._path} cannot be opened ({error})") from error
        except BaseException:
            self._lock.close()
            raise
        journal = SqliteJournal(self._writer, self._reader)
        index = GrantIndex()
        for grant in journal.live_grants(now):
            index.put(grant)
        self.counts = self._writer.counts
        self.grants = GrantBook(index, journal, self.counts)
        self.outbox = SqliteOutbox(self._writer, self._reader)
        rows = SqliteRows(self._writer, self._reader)
        self.operators = OperatorRows(rows)
        self.passkeys = PasskeyRows(rows)
        self.challenges = ChallengeRows(rows)
        self.api_tokens = ApiTokenRows(rows)
        self.bindings = BindingRows(rows)
        self.audit = SqliteAuditLog(self._writer, self._reader)
        self.assignments = AssignmentRows(rows)
        self.windows = WindowRows(rows)

    def close(self) -> None:
        self._writer.close()
        self._reader.close()
        self._lock.close()

    def __enter__(self) -> SqliteDatabase:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


@contextmanager
def open_audit_file(folder: Path) -> Iterator[SqliteAuditLog]:
    """The audit of a site beside its server, if one runs. Raises StoreUnavailable when there is no database."""
    path = folder / DATABASE
    if not path.exists():
        raise StoreUnavailable(f"{path} is not there: has this site's server run yet?")
    try:
        reader, writing = _connect(path), _connect(path)
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{path} cannot be opened ({error})") from error
    writer = Writer(writing)
    try:
        yield SqliteAuditLog(writer, reader)
    finally:
        writer.close()
        reader.close()


def _connect(path: Path) -> sqlite3.Connection:
    # Used by one thread at a time: the writer's, or the event loop's.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA busy_timeout = 5000")
    return connection
