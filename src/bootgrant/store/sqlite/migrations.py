"""The numbered migrations of the SQLite file, and the refusal of a file that a newer version wrote."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from yoyo import get_backend
from yoyo.migrations import MigrationList

from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.migrations import apply_missing, known_migrations, refuse_newer


def migrate(database: Path) -> list[str]:
    """Bring the file to this version's schema, making it when it is not there; the names of what was applied.

    The caller holds the folder's lock. Raises StoreUnavailable when it cannot be written or was written by a newer
    bootgrant.
    """
    with known_migrations("sqlite") as migrations:
        _prepare(database, {migration.id for migration in migrations})
        try:
            return _apply(database, migrations)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{database} cannot be written ({error})") from error


def _apply(database: Path, migrations: MigrationList) -> list[str]:
    # yoyo notes in its own tables when it did what; Python's adapter for that is deprecated from 3.12 on.
    sqlite3.register_adapter(datetime, lambda moment: moment.isoformat(" "))
    backend = get_backend(f"sqlite:///{database}")
    try:
        # The folder's lock is held, so a lock in the file was left by a process that was killed while it migrated.
        backend.break_lock()
        with backend.lock():
            return apply_missing(backend, migrations)
    finally:
        backend.connection.close()


def _prepare(database: Path, known: set[str]) -> None:
    """Set the journal mode, which stays with the file, and look which migrations it has."""
    try:
        database.touch(mode=0o600, exist_ok=True)
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            applied = _applied(connection)
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(f"{database} cannot be opened ({error}); is the folder there and writable?") from error
    refuse_newer(str(database), applied, known)


def _applied(connection: sqlite3.Connection) -> set[str]:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_yoyo_migration'").fetchone():
        return set()
    return {row[0] for row in connection.execute("SELECT migration_id FROM _yoyo_migration")}
