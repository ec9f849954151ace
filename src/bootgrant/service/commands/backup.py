"""Backs up a site into one file, while its server runs or not."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, Final

from bootgrant import __version__
from bootgrant.approval.audit import Broken, ChainCheck, Head
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.service.commands.archive import (
    DATABASE_MEMBER,
    KEY_MEMBER,
    NEVER,
    SETTINGS_MEMBER,
    Archive,
    BadArchive,
    Manifest,
    encrypt,
    opened,
    write_archive,
)
from bootgrant.service.parts.database import database_of, open_audit
from bootgrant.service.parts.seen_file import sync_folder
from bootgrant.service.settings.setting import SettingsError
from bootgrant.service.settings.site import Site, load_site
from bootgrant.store.migrations import APPLIED, known_migrations
from bootgrant.store.sqlite.database import DATABASE

LAST: Final = "last-backup"
"""The file in the data folder whose time is that of the last backup."""
REPLACED: Final = "replaced-"
"""How the folders begin in which a restore keeps what it replaced."""
_NEVER: Final = NEVER | {LAST}
_MOST_RECORDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was written; ``chain`` is what is wrong with its audit, None if nothing is."""

    manifest: Manifest
    chain: Broken | None
    encrypted: bool


def back_up(
    config: Path,
    target: Path,
    recipients: Sequence[str] = (),
    *,
    machines: bool = False,
    replace: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Made:
    """Write a backup of the site of ``config`` to ``target``, encrypted for ``recipients`` (public keys of age).

    The file appears when it is complete. Raises SettingsError and StoreUnavailable.
    """
    site = load_site(config, environment)
    if target.exists() and not replace:
        raise SettingsError(f"{target} exists already: name another file, or add --replace")
    keys = _recipients(recipients)
    new = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    temporary = [new, new.with_name(f"{new.name}.zip"), new.with_name(f"{new.name}.sqlite3")]
    plain, database = (temporary[1] if keys else new), temporary[2]
    try:
        made = _write(site, config, plain, database, machines=machines)
        if keys:
            encrypt(plain, new, keys)
        new.replace(target)
        sync_folder(target.parent)
        _note_time(site)
    except OSError as error:
        raise SettingsError(f"{error.filename or target} cannot be read or written: {error.strerror}") from error
    finally:
        for each in temporary:
            with suppress(OSError):
                each.unlink(missing_ok=True)
    return Made(made.manifest, made.chain, bool(keys))


def _write(site: Site, config: Path, target: Path, database: Path, *, machines: bool) -> Made:
    files: dict[str, Path] = {SETTINGS_MEMBER: config}
    chain: Broken | None = None
    if site.database.url is None:
        if not (site.data / DATABASE).exists():
            raise SettingsError(f"{site.data / DATABASE} does not exist: start the site's server once to create it")
        copy_database(site.data / DATABASE, database)
        found = inspect(database)
        schema, head, epoch, chain = found.schema, found.head, found.epoch, found.chain
        files[DATABASE_MEMBER] = database
        kind = "sqlite"
    else:
        head, schema, epoch, kind = asyncio.run(_head(site)), (), 1, "postgresql"
    files |= {f"data/{name}": path for name, path in files_below(site.data, _NEVER)}
    if site.code_key_file is not None and not site.code_key_file.is_relative_to(site.data):
        files[KEY_MEMBER] = site.code_key_file
    if machines:
        files |= {f"machines/{name}": path for name, path in files_below(site.machines)}
    outside = tuple(sorted(str(path) for path in _files_outside(site)))
    manifest = Manifest(__version__, time.time(), kind, schema, head, epoch, outside)
    return Made(write_archive(target, manifest, files), chain, encrypted=False)


async def _head(site: Site) -> Head:
    async with open_audit(site) as audit:
        return await audit.head()


def copy_database(source: Path, target: Path) -> None:
    """Copy an SQLite database while it may be written to: the copy is as of one moment. Raises StoreUnavailable."""
    descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    os.close(descriptor)
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=10)) as live,
            closing(sqlite3.connect(target, isolation_level=None)) as copy,
        ):
            live.backup(copy)
            # One file, without a log next to it.
            copy.execute("PRAGMA journal_mode = DELETE")
    except sqlite3.Error as error:
        raise StoreUnavailable(f"{source} cannot be copied ({error}): run `bootgrant status`") from error


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a copy of a database holds; ``problem`` is why it cannot be used, empty if it can."""

    schema: tuple[str, ...]
    head: Head
    epoch: int
    chain: Broken | None
    problem: str = ""


def inspect(path: Path) -> Inspected:
    """Check a copy that nobody writes to: its structure, its schema, and the chain of its audit."""
    nothing = Inspected((), Head(), 1, None)
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            (state,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            if state != "ok":
                return Inspected((), Head(), 1, None, f"its database is damaged ({state})")
            schema = tuple(sorted(row[0] for row in connection.execute(APPLIED)))
            known = [migration.name for migration in known_migrations("sqlite")]
            if newer := [name for name in schema if name not in known]:
                what = f"its database was written by a newer bootgrant (it has {', '.join(newer)})"
                return Inspected(schema, Head(), 1, None, f"{what}: install that version or a later one")
            (strange,) = connection.execute(
                "SELECT count(*) FROM sqlite_master WHERE type NOT IN ('table', 'index')"
            ).fetchone()
            if strange:
                return Inspected(schema, Head(), 1, None, "its database has triggers or views, which no backup has")
            check = _chain(connection)
            has_epochs = any(name.startswith("0025") for name in schema)
            epoch = connection.execute("SELECT max(epoch) FROM acceptances").fetchone()[0] if has_epochs else None
            return Inspected(schema, check.head, epoch or 1, check.broken)
    except sqlite3.Error as error:
        return Inspected(nothing.schema, nothing.head, 1, None, f"its database cannot be read ({error})")


def _chain(connection: sqlite3.Connection) -> ChainCheck:
    check = ChainCheck()
    for line, digest in connection.execute("SELECT line, digest FROM audit ORDER BY seq"):
        check.take(line, digest)
    check.finish()
    return check


def files_below(folder: Path, without: frozenset[str] = frozenset()) -> Iterator[tuple[str, Path]]:
    """Yield the regular files below a folder by their relative paths: no sockets, no links, none of ``without``, and
    nothing that a restore kept aside. Raises OSError."""
    for root, folders, names in os.walk(folder, onerror=_raise):
        at = Path(root)
        if at == folder:
            folders[:] = [name for name in folders if not name.startswith((REPLACED, "restoring-"))]
        folders.sort()
        for name in sorted(names):
            if at == folder and name in without:
                continue
            path = at / name
            with suppress(FileNotFoundError):
                if stat.S_ISREG(path.lstat().st_mode):
                    yield path.relative_to(folder).as_posix(), path


def _raise(error: OSError) -> None:
    raise error


def _files_outside(site: Site) -> set[Path]:
    """Return the files that the settings name and that are not in the backup."""
    found = {path for path in _paths_in(site) if path.is_file()}
    return {
        path
        for path in found
        if path != site.code_key_file and not path.is_relative_to(site.data) and not path.is_relative_to(site.machines)
    }


def _paths_in(value: Any) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from _paths_in(getattr(value, each.name, None))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _paths_in(item)


def _recipients(texts: Sequence[str]) -> list[Any]:
    if not texts:
        return []
    from bootgrant.sources.age_identities import BadRecipient, recipient

    try:
        return [recipient(text) for text in texts]
    except BadRecipient as error:
        raise SettingsError(f"--recipient: {error}") from None


def identities_in(path: Path | None) -> list[Any]:
    """Return the age identities in a file; none without a file. Raises SettingsError."""
    if path is None:
        return []
    from bootgrant.sources.age_identities import BadIdentity, age_identities
    from bootgrant.wire.secret import Secret

    try:
        return list(age_identities(Secret(path.read_text("utf-8"))))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--identity: {path} cannot be read ({error})") from None
    except BadIdentity as error:
        raise SettingsError(f"--identity: {path}: {error}") from None


def check_backup(path: Path, identity: Path | None = None) -> Made:
    """Check a backup without restoring it: every digest, and the database in it. Raises SettingsError."""
    try:
        with opened(path, identities_in(identity)) as archive:
            for name in archive.manifest.members:
                archive.check(name)
            chain = _check_database(path, archive) if DATABASE_MEMBER in archive.manifest.members else None
            return Made(archive.manifest, chain, encrypted=identity is not None)
    except OSError as error:
        raise SettingsError(f"{error.filename or path} cannot be read: {error.strerror}") from error


def _check_database(path: Path, archive: Archive) -> Broken | None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / DATABASE
        archive.unpack(DATABASE_MEMBER, copy)
        found = inspect(copy)
    if found.problem:
        raise BadArchive(f"{path} cannot be restored: {found.problem}")
    if found.head != archive.manifest.head and found.chain is None:
        raise BadArchive(
            f"{path} cannot be restored: its audit does not end where its manifest says. Use another backup"
        )
    return found.chain


def _note_time(site: Site) -> None:
    with suppress(OSError):
        (site.data / LAST).touch(mode=0o600)


def dump_command(site: Site) -> str:
    """Return the command that backs up the database of a site on PostgreSQL, without its password; "" for SQLite."""
    address = database_of(site)
    return "" if address is None else f"pg_dump --format=custom --file=FILE '{address}'"
