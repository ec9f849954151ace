"""Restores a backup into a stopped or an empty site. What it replaces is kept aside in the data folder.

Everything is unpacked and checked next to its place before anything is moved. The file of what the server has seen
(``data/epoch``) stays: by it, the server notices that the database is older. Without such a file, one is written that
says so.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import rmtree
from typing import Final

from bootgrant.approval.audit import Broken, Head
from bootgrant.approval.epoch import Seen
from bootgrant.ports.epochs import SeenUnreadable
from bootgrant.service.commands.archive import (
    DATABASE_MEMBER,
    KEY_MEMBER,
    SETTINGS_MEMBER,
    Archive,
    BadArchive,
    Manifest,
    free_bytes,
    new_private,
    opened,
)
from bootgrant.service.commands.backup import REPLACED, identities_in, inspect
from bootgrant.service.data_folder import prepare_data_folder
from bootgrant.service.parts.seen_file import EPOCH, SeenInFolder, sync_folder
from bootgrant.service.settings.setting import SettingsError
from bootgrant.service.settings.site import Site, load_site
from bootgrant.store.folder_lock import FolderLock
from bootgrant.store.sqlite.database import DATABASE

_STAGED: Final = "restoring-"
_LOCK: Final = "lock"
_MACHINES: Final = "machines"
_ROOM: Final = 16 << 20
_ENDING: Final = 6.0
"""Seconds in which a server ends whose supervisor was killed."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was restored. ``replaced`` is the folder with what was there before, None if nothing was; ``chain`` is what
    is wrong with the audit. ``wrote_settings``: there were no settings before. ``notes`` say, a line each, what was
    left as it is, and what is missing."""

    manifest: Manifest
    chain: Broken | None
    data: Path
    replaced: Path | None
    wrote_settings: bool
    notes: tuple[str, ...] = ()


def restore(
    path: Path,
    config: Path,
    identity: Path | None = None,
    environment: Mapping[str, str] | None = None,
    patience: float = _ENDING,
) -> Restored:
    """Restore a backup into the site of ``config``. Raises SettingsError, and StoreUnavailable when a server still has
    the data folder after ``patience`` seconds."""
    try:
        with opened(path, identities_in(identity)) as archive:
            _refuse_other_schema(path, archive)
            wrote = _write_settings(archive, config)
            try:
                site = load_site(config, environment)
                _refuse_other_database(site, archive.manifest)
                prepare_data_folder(site.data)
                with closing(FolderLock(site.data, patience)):
                    notes = _notes(archive.manifest, site, config, wrote=wrote)
                    chain, replaced = _restore(path, archive, site)
                _owned_as(site.data, site.data / _LOCK, *([config] if wrote else []))
            except BaseException:
                if wrote:
                    config.unlink(missing_ok=True)
                raise
            return Restored(archive.manifest, chain, site.data, replaced, wrote, notes)
    except OSError as error:
        raise SettingsError(f"{error.filename or path} cannot be read or written: {error.strerror}") from error


def mark(config: Path, environment: Mapping[str, str] | None = None, patience: float = _ENDING) -> Path:
    """Note that the database of a stopped site is an older copy, although nothing here shows it. Return the file.

    Raises SettingsError and StoreUnavailable.
    """
    site = load_site(config, environment)
    prepare_data_folder(site.data)
    try:
        with closing(FolderLock(site.data, patience)):
            marked = _mark(site, Seen(head=Head()))
        _owned_as(site.data, site.data / _LOCK)
        return marked
    except OSError as error:
        raise SettingsError(f"{error.filename or site.data} cannot be written: {error.strerror}") from error


def _mark(site: Site, otherwise: Seen) -> Path:
    file = SeenInFolder(site.data)
    try:
        seen = file.read() or otherwise
    except SeenUnreadable:
        file.replace_unusable(replace(otherwise, marked_at=time.time()))
    else:
        file.write(replace(seen, marked_at=time.time()))
    # The server could not read a file of root's, and would forget what it had seen.
    _owned_as(site.data, file.path)
    return file.path


def _refuse_other_schema(path: Path, archive: Archive) -> None:
    """Say what to do about a backup of a newer version, before anything else."""
    from bootgrant.store.migrations import known_migrations

    known = {migration.name for migration in known_migrations("sqlite")}
    if newer := sorted(set(archive.manifest.schema) - known):
        made = archive.manifest.version
        raise BadArchive(
            f"{path} was made by a newer bootgrant ({made}; its database has {', '.join(newer)}): install that version "
            "or a later one, and restore it with that"
        )


def _refuse_other_database(site: Site, manifest: Manifest) -> None:
    kind = "sqlite" if site.database.url is None else "postgresql"
    if kind != manifest.database:
        raise SettingsError(
            f"the backup is of a site on {manifest.database}, and database.url of this site is for {kind}: use the "
            "settings of the site that was backed up"
        )


def _write_settings(archive: Archive, config: Path) -> bool:
    """Write the settings of the backup if there are none. Return whether that was done."""
    if config.exists():
        return False
    config.parent.mkdir(parents=True, exist_ok=True)
    if SETTINGS_MEMBER not in archive.manifest.members:
        raise BadArchive(f"the backup has no settings, and {config} does not exist: write them first")
    archive.unpack(SETTINGS_MEMBER, config)
    return True


def _restore(path: Path, archive: Archive, site: Site) -> tuple[Broken | None, Path | None]:
    """Unpack, check, and move into place."""
    _refuse_without_room(archive, site)
    stage = site.data / f"{_STAGED}{secrets.token_hex(4)}"
    stage.mkdir(mode=0o700)
    try:
        chain = _unpack(path, archive, site, stage)
        _owned_as(site.data, stage)
        _place_outside(site, stage)
        if not (site.data / EPOCH).exists() and site.database.url is None:
            _mark(site, Seen(archive.manifest.epoch, archive.manifest.head, archive.manifest.made_at))
        return chain, _exchange(site, stage)
    finally:
        rmtree(stage, ignore_errors=True)


def _refuse_without_room(archive: Archive, site: Site) -> None:
    needed, free = sum(each.size for each in archive.manifest.members.values()) + _ROOM, free_bytes(site.data)
    if needed > free:
        raise SettingsError(
            f"the backup needs {needed >> 20} MiB in {site.data}, and {free >> 20} MiB are free: make room first"
        )


def _unpack(path: Path, archive: Archive, site: Site, stage: Path) -> Broken | None:
    chain: Broken | None = None
    for name in archive.manifest.members:
        target = _place(name, stage)
        if target is None:
            archive.check(name)
            continue
        for folder in [*reversed(target.relative_to(stage).parents)][1:]:
            (stage / folder).mkdir(mode=0o700, exist_ok=True)
        archive.unpack(name, target)
    if DATABASE_MEMBER in archive.manifest.members:
        found = inspect(stage / "data" / DATABASE)
        if found.problem:
            raise BadArchive(f"{path} cannot be restored: {found.problem}")
        chain = found.chain
    return chain


def _place_outside(site: Site, stage: Path) -> None:
    """Put the code key and the machines folder where the settings have them, if there are none."""
    key = stage / KEY_MEMBER
    if key.exists() and site.code_key_file is not None and not site.code_key_file.exists():
        with new_private(site.code_key_file) as file:
            file.write(key.read_bytes())
        _owned_as(site.data, site.code_key_file)
    if (stage / _MACHINES).exists() and _is_empty(site.machines):
        if not site.machines.exists():
            site.machines.mkdir(parents=True, mode=0o700)
            _owned_as(site.data, site.machines)
        for each in (stage / _MACHINES).iterdir():
            _move_tree(each, site.machines / each.name)


def _is_empty(folder: Path) -> bool:
    """Return whether nothing is there, or an empty folder, as a package makes it."""
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def _notes(manifest: Manifest, site: Site, config: Path, *, wrote: bool) -> tuple[str, ...]:
    """Say what stays as it is, and what is missing."""
    notes = [] if wrote else [f"{config} was not changed"]
    if KEY_MEMBER in manifest.members and site.code_key_file is not None and site.code_key_file.exists():
        notes.append(f"{site.code_key_file} was not changed")
    has_machines = any(name.startswith(f"{_MACHINES}/") for name in manifest.members)
    if has_machines and not _is_empty(site.machines):
        notes.append(f"{site.machines} was not changed")
    elif not has_machines and _is_empty(site.machines) and site.git.url is None:
        notes.append(f"put back {site.machines} yourself: the backup was made without --machines")
    return tuple(notes)


def _place(name: str, stage: Path) -> Path | None:
    """Return where a member is unpacked; None for one that is only checked."""
    if name == DATABASE_MEMBER:
        return stage / "data" / DATABASE
    return None if name == SETTINGS_MEMBER else stage.joinpath(*name.split("/"))


def _exchange(site: Site, stage: Path) -> Path | None:
    """Move what is in the data folder aside, and the restored files into it. Links are moved, never followed."""
    stays = {_LOCK, EPOCH, f"{EPOCH}.unreadable", "admin.sock", "control.sock"}
    old = [each for each in site.data.iterdir() if each.name not in stays]
    old = [each for each in old if not each.name.startswith((REPLACED, _STAGED))]
    aside: Path | None = None
    if old:
        aside = site.data / f"{REPLACED}{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(2)}"
        aside.mkdir(mode=0o700)
        # The database last: while it is there, a server would not begin an empty one.
        for each in sorted(old, key=lambda each: each.name.startswith(DATABASE)):
            each.rename(aside / each.name)
    new = stage / "data"
    if new.exists():
        for each in sorted(new.iterdir(), key=lambda each: each.name.startswith(DATABASE)):
            each.rename(site.data / each.name)
    if aside is not None:
        _owned_as(site.data, aside)
    sync_folder(site.data)
    return aside


def _move_tree(source: Path, target: Path) -> None:
    """Move a folder to a place that may be in another file system."""
    import shutil

    shutil.move(source, target)


def _owned_as(owner: Path, *paths: Path) -> None:
    """Give what root restored to the owner of the data folder, without following links."""
    if os.geteuid() != 0:
        return
    as_in = owner.stat()
    every = [each for path in paths for each in (path, *(path.rglob("*") if path.is_dir() else ()))]
    for each in every:
        os.chown(each, as_in.st_uid, as_in.st_gid, follow_symlinks=False)
