"""The database of a site: SQLite in its data folder, or PostgreSQL, which several servers share."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Final

from bootgrant.extras import advice, missing_module
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.audit_sinks import SinkStore
from bootgrant.service.data_folder import code_key
from bootgrant.service.settings.setting import SettingsError
from bootgrant.service.settings.site import Site
from bootgrant.store.database import Database
from bootgrant.store.folder_lock import FolderLock
from bootgrant.store.sqlite.database import DATABASE, SqliteDatabase, open_audit_file
from bootgrant.store.sqlite.database import migrate as migrate_sqlite

if TYPE_CHECKING:
    from bootgrant.store.postgres.connections import PostgresAddress
    from bootgrant.store.postgres.database import PostgresDatabase

CODE_KEY: Final = "code key"
_ENDING: Final = 6.0
"""Seconds in which a server ends whose supervisor was killed."""


@asynccontextmanager
async def open_database(site: Site, now: float, *, patience: float = 0.0) -> AsyncIterator[Database]:
    """Open the stores of a site until the block ends. ``now`` is in Unix seconds.

    Only one process at a time can have a data folder. SQLite is migrated; PostgreSQL is not (``migrate_database``).
    PostgreSQL is waited for, for ``patience`` seconds, and at most ``_ENDING`` of them a process that has the folder.
    Raises SettingsError and StoreUnavailable.
    """
    address = database_of(site)
    if address is None:
        with SqliteDatabase(site.data, now, min(patience, _ENDING)) as sqlite:
            yield sqlite
        return
    from bootgrant.store.postgres.database import open_postgres

    with closing(FolderLock(site.data, min(patience, _ENDING))):
        async with open_postgres(address, site.database.connections, patience) as postgres:
            await _check_code_key(site, postgres)
            yield postgres


async def check_database(site: Site, *, patience: float) -> None:
    """Check, next to a server that runs, that a PostgreSQL database can be opened. SQLite has nothing to check.

    It is waited for, for ``patience`` seconds. Raises SettingsError and StoreUnavailable.
    """
    address = database_of(site)
    if address is None:
        return
    from bootgrant.store.postgres.database import open_postgres

    async with open_postgres(address, 1, patience) as postgres:
        await _check_code_key(site, postgres)


async def _check_code_key(site: Site, postgres: PostgresDatabase) -> None:
    key = code_key(site.code_key_path, create=False)
    if not await postgres.agrees(CODE_KEY, hmac.digest(key, b"bootgrant code key", "sha256").hex()):
        raise SettingsError(
            f"{site.code_key_path} is not the code key of the other servers of this database: copy theirs, or if it is "
            "lost, run `bootgrant migrate --new-code-key`"
        )


@asynccontextmanager
async def open_audit(site: Site) -> AsyncIterator[AuditLog]:
    """Open the audit log, also while a server runs. Raises SettingsError and StoreUnavailable."""
    async with open_audit_and_sinks(site) as (audit, _):
        yield audit


@asynccontextmanager
async def open_audit_and_sinks(site: Site) -> AsyncIterator[tuple[AuditLog, SinkStore]]:
    """The same, with how far the audit sinks are."""
    address = database_of(site)
    if address is None:
        with open_audit_file(site.data) as opened:
            yield opened
        return
    from bootgrant.store.postgres.database import open_postgres

    async with open_postgres(address, 1) as database:
        yield database.audit, database.sinks


def migrate_database(site: Site, *, break_lock: bool = False, new_code_key: bool = False) -> list[str]:
    """Bring the site's database to this version's schema, and return the names of the migrations that were applied.

    With ``new_code_key``, the code key of the next server that starts becomes the shared one. Raises SettingsError and
    StoreUnavailable.
    """
    address = database_of(site)
    if address is None:
        with closing(FolderLock(site.data)):
            return migrate_sqlite(site.data / DATABASE)
    from bootgrant.store.postgres.migrations import migrate

    return migrate(address, break_lock=break_lock, forget=CODE_KEY if new_code_key else "")


def database_of(site: Site) -> PostgresAddress | None:
    """Return the address of the site's PostgreSQL database, None if it uses SQLite. Raises SettingsError."""
    if site.database.url is None:
        return None
    if module := missing_module("postgres"):
        raise SettingsError(f"database.url: {advice('postgres', module)}")
    # psycopg is imported only where it is used: most sites do without it.
    from bootgrant.store.postgres.connections import PostgresAddress

    address = PostgresAddress(site.database.url, site.database.password_file)
    if problem := address.problem():
        raise SettingsError(f"database.url: {problem}")
    return address
