"""The stores on one SQLite file, its migration, and the lock that keeps a second server away."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final

from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.database import Database
from bootgrant.store.epoch_rows import EpochRows
from bootgrant.store.folder_lock import FolderLock
from bootgrant.store.grant_book import GrantBook
from bootgrant.store.grant_index import GrantIndex
from bootgrant.store.migrations import APPLIED, MARK, RECORD, Migration, missing_migrations
from bootgrant.store.sink_rows import SinkRows
from bootgrant.store.sqlite.audit import SqliteAuditLog
from bootgrant.store.sqlite.file import SqliteFile
from bootgrant.store.sqlite.grants import SqliteJournal
from bootgrant.store.sqlite.outbox import SqliteOutbox
from bootgrant.store.sqlite.rows import SqliteRows

DATABASE: Final = "bootgrant.sqlite3"


class SqliteDatabase(Database):
    """``bootgrant.sqlite3`` in a data folder, migrated and locked. A context manager.

    ``now`` (Unix seconds) decides which grants are loaded. Raises StoreUnavailable when another process still holds
    the folder after ``patience`` seconds, or the file cannot be opened.
    """

    def __init__(self, folder: Path, now: float, patience: float = 0.0) -> None:
        self._lock = FolderLock(folder, patience)
        try:
            migrate(folder / DATABASE)
            self.file = SqliteFile(folder / DATABASE)
        except BaseException:
            self._lock.close()
            raise
        journal = SqliteJournal(self.file)
        index = GrantIndex()
        for grant in journal.live_grants(now):
            index.put(grant)
        rows = SqliteRows(self.file)
        self.keep_in(rows)
        self.counts = self.file.counts
        self.grants = GrantBook(index, journal, self.counts)
        self.outbox = SqliteOutbox(self.file)
        self.audit = audit = SqliteAuditLog(self.file)
        self.epochs = EpochRows(rows, audit)

    def call_after_taking_away(self, look: Callable[[], Awaitable[None]]) -> None:
        self.file.after_taking_away = look

    def close(self) -> None:
        self.file.close()
        self._lock.close()

    def __enter__(self) -> SqliteDatabase:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def migrate(path: Path) -> list[str]:
    """Bring the file to this version's schema, creating it if needed; return the names of the applied migrations.

    The caller holds the folder's lock. Raises StoreUnavailable when the file cannot be written, or a newer bootgrant
    wrote it.
    """
    try:
        path.touch(mode=0o600, exist_ok=True)
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")  # the mode stays with the file
            connection.execute(RECORD)
            applied = {row[0] for row in connection.execute(APPLIED)}
            missing = missing_migrations("sqlite", applied, str(path))
            for migration in missing:
                _apply(connection, migration)
            return [migration.name for migration in missing]
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(
            f"{path} cannot be opened or written ({error}): check that its folder exists and is writable"
        ) from error


def _apply(connection: sqlite3.Connection, migration: Migration) -> None:
    """Apply and record a migration in one transaction; closing the connection rolls back what was not committed."""
    connection.executescript(f"BEGIN IMMEDIATE;\n{migration.sql}")
    connection.execute(MARK, migration.mark)
    connection.execute("COMMIT")


@contextmanager
def open_audit_file(folder: Path) -> Iterator[tuple[SqliteAuditLog, SinkRows]]:
    """Open the audit log, and how far its sinks are, while the site's server may be running.

    Raises StoreUnavailable if there is no database.
    """
    path = folder / DATABASE
    if not path.exists():
        raise StoreUnavailable(f"{path} does not exist: start the site's server once to create it")
    with closing(SqliteFile(path)) as file:
        yield SqliteAuditLog(file), SinkRows(SqliteRows(file))
