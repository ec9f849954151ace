"""The source of machine configurations, put together from the settings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from bootgrant.machines.finish.validation import BadSchema, Rules, TalosSchema
from bootgrant.machines.site.findings import SiteBroken, error
from bootgrant.ports.time import Clock
from bootgrant.service.parts.composers import COMPOSERS
from bootgrant.service.settings.machines import MachineSettings
from bootgrant.service.settings.reading import SettingsError, Site
from bootgrant.service.settings.rows import SHORTEST_SECRET, first_line
from bootgrant.sources.directory import DirectorySource
from bootgrant.sources.git import GitOrigin, repository_around
from bootgrant.sources.layered import LayeredSource
from bootgrant.sources.programs import ProgramFailed, run_program
from bootgrant.sources.secret_files import BadIdentity, SecretFiles
from bootgrant.sources.site_values import SiteValues
from bootgrant.sources.snapshot import Workshop
from bootgrant.sources.talosctl import TalosctlValidate
from bootgrant.sources.tree import FolderTree, Tree
from bootgrant.wire.secret import Secret

AGE_IDENTITY = "BOOTGRANT_AGE_IDENTITY"
"""The environment variable that may hold the age identity itself."""

_REPOSITORY = "machines.git"
_IDENTITY_SECONDS = 60.0


def machine_source(site: Site, clock: Clock, environment: Mapping[str, str] | None = None) -> LayeredSource:
    """Raises SettingsError."""
    settings = site.machine_settings
    made = workshop(settings, environment)
    plain = DirectorySource(site.machines, made.rules) if settings.git is None else None
    return LayeredSource(origin_of(site.machines, settings, site.data), made, clock, plain)


def origin_of(folder: Path, settings: MachineSettings, data: Path | None) -> FolderTree | GitOrigin:
    """Where the configurations of these settings come from."""
    git = settings.git
    if git is None or data is None:
        return FolderTree(folder)
    return GitOrigin(git.url, git.branch, git.folder, data / _REPOSITORY, git.interval, git.signers_file)


def past_tree(origin: FolderTree | GitOrigin, revision: str) -> Tree:
    """The configurations as they were at a commit. Raises SiteBroken."""
    if isinstance(origin, GitOrigin):
        return origin.tree_at(revision)
    around = repository_around(origin.folder)
    if around is None:
        raise SiteBroken([error("git", f"{origin.folder} is in no git repository, so that it has no past")])
    repository, prefix = around
    commit = repository.commit(revision)
    if not commit:
        raise SiteBroken([error("git", f"there is no commit {revision} in the repository of {origin.folder}")])
    return repository.tree(commit, prefix)


def workshop(settings: MachineSettings, environment: Mapping[str, str] | None = None) -> Workshop:
    """How configurations are made at this site. Raises SettingsError."""
    try:
        files = SecretFiles(_identities(settings, os.environ if environment is None else environment))
    except BadIdentity as bad:
        raise SettingsError(f"the age identity cannot be used: {bad}") from None
    values = SiteValues(settings.exec_programs, settings.exec_seconds)
    schema = _schema(settings)
    # A schema is quicker; without one, the program of the cluster's version knows best, where it is installed.
    program = TalosctlValidate() if schema is None and shutil.which("talosctl") else None
    rules = Rules(schema, tables=settings.composer == "bootgrant", program=program)
    return Workshop(files, values, rules, COMPOSERS[settings.composer], settings.composer)


def webhook_secret(settings: MachineSettings) -> Secret | None:
    """The secret of ``POST /hooks/git``, None when there is no such hook. Raises SettingsError."""
    file = settings.git.webhook_secret_file if settings.git else None
    if file is None:
        return None
    try:
        return first_line("file", file, SHORTEST_SECRET)
    except ValueError as error:
        raise SettingsError(f"git.webhook_secret_file: {error}") from None


def _identities(settings: MachineSettings, environment: Mapping[str, str]) -> list[Secret]:
    found = []
    if text := environment.get(AGE_IDENTITY):
        found.append(Secret(text))
    if settings.age_identity_file is not None:
        try:
            found.append(Secret(settings.age_identity_file.read_text("utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"secrets.age_identity_file: {settings.age_identity_file} cannot be read: {error}"
            ) from None
    if settings.age_identity_command:
        try:
            printed = run_program(settings.age_identity_command, seconds=_IDENTITY_SECONDS)
            found.append(Secret(printed.decode("utf-8", "replace")))
        except ProgramFailed as failed:
            raise SettingsError(f"secrets.age_identity_command: {failed}") from None
    return found


def _schema(settings: MachineSettings) -> TalosSchema | None:
    if settings.schema_file is None:
        return None
    try:
        return TalosSchema(settings.schema_file.read_bytes())
    except OSError as error:
        raise SettingsError(f"schema_file: {settings.schema_file} cannot be read: {error.strerror}") from None
    except BadSchema as bad:
        raise SettingsError(f"schema_file: {settings.schema_file}: {bad}") from None
