"""The numbered migrations of the PostgreSQL database. Servers only look; ``bootgrant migrate`` applies."""

from __future__ import annotations

import psycopg
from psycopg import errors
from yoyo.backends import get_backend_class
from yoyo.connections import DatabaseURI
from yoyo.exceptions import LockTimeout
from yoyo.migrations import default_migration_table

from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.migrations import apply_missing, known_migrations, refuse_newer
from bootgrant.store.postgres.address import PostgresAddress
from bootgrant.store.postgres.connections import Connection, reason_of

_APPLIED = "SELECT migration_id FROM _yoyo_migration"


def migrate(
    address: PostgresAddress, *, break_lock: bool = False, forget: str = "", lock_seconds: float = 20.0
) -> list[str]:
    """Bring the database to this version's schema; the names of what was applied.

    ``break_lock`` removes the lock of a migration that was killed; ``forget`` names what the servers need no longer
    agree on as it was (PostgresDatabase.agrees). Another migration is waited for, ``lock_seconds`` long. Raises
    StoreUnavailable when the database cannot be used, was migrated by a newer bootgrant, or stays locked.
    """
    # No text of a URL is made: every parameter of libpq goes as it is.
    place = DatabaseURI("postgresql+psycopg", None, None, None, None, None, address.parameters())
    try:
        with get_backend_class(place.scheme)(place, default_migration_table) as backend:
            backend.init_database()
            if break_lock:
                backend.break_lock()
            with backend.lock(timeout=lock_seconds), known_migrations("postgres") as migrations:
                backend.ensure_internal_schema_updated()
                applied = {row[0] for row in backend.execute(_APPLIED).fetchall()}
                refuse_newer(str(address), applied, {migration.id for migration in migrations})
                made = apply_missing(backend, migrations)
                backend.execute("DELETE FROM agreed WHERE name = :name", {"name": forget})
                return made
    except LockTimeout as error:
        raise StoreUnavailable(
            f"{address} is being migrated by another process; if that one was killed: bootgrant migrate --break-lock"
        ) from error
    except psycopg.Error as error:
        raise StoreUnavailable(f"{address} cannot be migrated: {reason_of(error)}") from error


async def check_schema(address: PostgresAddress, connection: Connection) -> None:
    """Raises StoreUnavailable when the schema is not the one of this version, and says what to do."""
    try:
        cursor = await connection.execute(_APPLIED)
        applied = {row[0] for row in await cursor.fetchall()}
    except errors.UndefinedTable:
        applied = set()
    with known_migrations("postgres") as migrations:
        known = {migration.id for migration in migrations}
    refuse_newer(str(address), applied, known)
    if missing := sorted(known - applied):
        raise StoreUnavailable(f"{address} lacks {', '.join(missing)}: run `bootgrant migrate` once, then start again")
