"""The numbered migrations of the SQLite file, and the refusal of a file that a newer version wrote."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib import resources
from pathlib import Path

from yoyo import get_backend, read_migrations

from bootgrant.ports.grant_store import StoreUnavailable


def migrate(database: Path) -> None:
    """Bring the file to this version's schema, making it when it is not there.

    Raises StoreUnavailable when it cannot be written or was written by a newer bootgrant.
    """
    with resources.as_file(resources.files("bootgrant.store.schema") / "sqlite") as folder:
        migrations = read_migrations(str(folder))
        known = {migration.id for migration in migrations}
        _prepare(database, known)
        backend = get_backend(f"sqlite:///{database}")
        try:
            with backend.lock():
                backend.apply_migrations(backend.to_apply(migrations))
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
    if newer := sorted(applied - known):
        raise StoreUnavailable(
            f"{database} was written by a newer bootgrant (it has {', '.join(newer)}); run that version, "
            "or restore the copy made before the upgrade"
        )


def _applied(connection: sqlite3.Connection) -> set[str]:
    if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_yoyo_migration'").fetchone():
        return set()
    return {row[0] for row in connection.execute("SELECT migration_id FROM _yoyo_migration")}
