"""The database of a site: SQLite in its data folder, or PostgreSQL, which several servers share."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Final

from bootgrant.ports.database import Database
from bootgrant.service.data_folder import code_key
from bootgrant.service.settings.reading import SettingsError, SharedDatabase, Site
from bootgrant.store.folder_lock import FolderLock
from bootgrant.store.sqlite.database import DATABASE, SqliteDatabase
from bootgrant.store.sqlite.migrations import migrate as migrate_sqlite

if TYPE_CHECKING:
    from bootgrant.store.postgres.address import PostgresAddress

CODE_KEY: Final = "code key"


@asynccontextmanager
async def open_database(site: Site, now: float, *, patience: float = 0.0) -> AsyncIterator[Database]:
    """The stores of a site, until the block ends; one process at a time has a data folder. ``now`` in Unix seconds.

    SQLite is migrated. PostgreSQL is not (``migrate_database``), and is waited for, for ``patience`` seconds. Raises
    SettingsError and StoreUnavailable.
    """
    if site.database is None:
        with SqliteDatabase(site.data, now) as sqlite:
            yield sqlite
        return
    from bootgrant.store.postgres.database import open_postgres

    key = code_key(site.code_key_file, make=False)
    with closing(FolderLock(site.data)):
        async with open_postgres(postgres_address(site.database), site.database.connections, patience) as postgres:
            if not await postgres.agrees(CODE_KEY, hmac.digest(key, b"bootgrant code key", "sha256").hex()):
                raise SettingsError(
                    f"{site.code_key_file} is not the code key of the other servers of this database: copy theirs; "
                    "if theirs is lost: bootgrant migrate --new-code-key"
                )
            yield postgres


def migrate_database(site: Site, *, break_lock: bool = False, new_code_key: bool = False) -> list[str]:
    """Bring the site's database to this version's schema; the names of the migrations that were applied.

    ``new_code_key``: the next server that starts says which code key the servers share. Raises SettingsError and
    StoreUnavailable.
    """
    if site.database is None:
        with closing(FolderLock(site.data)):
            return migrate_sqlite(site.data / DATABASE)
    from bootgrant.store.postgres.migrations import migrate

    return migrate(postgres_address(site.database), break_lock=break_lock, forget=CODE_KEY if new_code_key else "")


def postgres_address(database: SharedDatabase) -> PostgresAddress:
    """psycopg is imported where it is used: every command reads the settings."""
    from bootgrant.store.postgres.address import PostgresAddress

    address = PostgresAddress(database.url, database.password_file)
    if problem := address.problem():
        raise SettingsError(f"database.url: {problem}")
    return address
