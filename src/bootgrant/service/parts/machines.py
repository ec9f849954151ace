"""The machine configurations of a site, built from its settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from bootgrant.configurations.current_revision import CurrentRevision
from bootgrant.configurations.engine import Engine
from bootgrant.configurations.site_configurations import SiteConfigurations
from bootgrant.configurations.snapshot import Toolbox
from bootgrant.machines.finish.rendering import Compose, in_python
from bootgrant.machines.finish.validation import DocumentSchema, Rules
from bootgrant.machines.site.findings import SiteBroken, error
from bootgrant.ports.origins import Tree
from bootgrant.ports.time import Clock
from bootgrant.service.settings.forms import SHORTEST_SECRET, first_line, unreadable
from bootgrant.service.settings.sections import Composer, MachineSettings, Secrets
from bootgrant.service.settings.setting import SettingsError
from bootgrant.service.settings.site import Site
from bootgrant.sources.encrypted_files import BadIdentity, EncryptedFiles
from bootgrant.sources.folder import Folder
from bootgrant.sources.git import GitOrigin, repository_around
from bootgrant.sources.programs import ProgramFailed, SitePrograms, run_program
from bootgrant.sources.talosctl import Talosctl
from bootgrant.wire.secret import Secret

COMPOSERS: Final[dict[str, Compose]] = {"bootgrant": in_python, "talosctl": Talosctl().compose}
"""The composers by their names in the settings."""
AGE_IDENTITY = "BOOTGRANT_AGE_IDENTITY"
"""The environment variable that may hold the age identity itself."""

_REPOSITORY = "machines.git"
_IDENTITY_SECONDS = 60.0


def site_configurations(site: Site, clock: Clock) -> SiteConfigurations:
    """Build the source of configurations. Raises SettingsError."""
    settings = site.machine_settings
    origin = origin_of(site.machines, settings, site.data)
    current = CurrentRevision(origin, engine(settings), clock)
    return SiteConfigurations(current, origin if isinstance(origin, Folder) else None)


def origin_of(folder: Path, settings: MachineSettings, data: Path | None) -> Folder | GitOrigin:
    """Return where the configurations come from; a git repository needs a data folder to be fetched into."""
    git = settings.git
    if git.url is None or data is None:
        return Folder(folder)
    return GitOrigin(git.url, git.branch, git.folder, data / _REPOSITORY, git.fetch_interval, git.signers_file)


def past_tree(origin: Folder | GitOrigin, revision: str) -> Tree:
    """Return the configurations of a past commit. Raises SiteBroken."""
    if isinstance(origin, GitOrigin):
        return origin.tree_at(revision)
    around = repository_around(origin.path)
    if around is None:
        raise SiteBroken([error("git", f"{origin.path} is not in a git repository, so it has no past revisions")])
    repository, prefix = around
    commit = repository.commit(revision)
    if not commit:
        raise SiteBroken([error("git", f"the repository of {origin.path} has no commit {revision}")])
    return repository.tree(commit, prefix)


def engine(settings: MachineSettings) -> Engine:
    """Return what makes the configurations of this site, within its limits. Raises SettingsError."""
    return Engine(toolbox(settings), settings.limits)


def toolbox(settings: MachineSettings, environment: Mapping[str, str] | None = None) -> Toolbox:
    """Return what this site makes configurations with. Raises SettingsError."""
    try:
        decrypter = EncryptedFiles(_identities(settings.secrets, os.environ if environment is None else environment))
    except BadIdentity as bad:
        raise SettingsError(f"the age identity cannot be used: {bad}") from None
    programs = SitePrograms(settings.secrets.exec_programs, settings.secrets.exec_time_limit)
    schema = _schema(settings)
    talosctl = Talosctl()
    # A schema is faster. Without one, the talosctl of the cluster's version knows best, if it is installed.
    program = talosctl.validate if schema is None and talosctl.is_installed else None
    rules = Rules(schema, tables=settings.composer is Composer.BOOTGRANT, program=program)
    return Toolbox(decrypter, programs, rules, COMPOSERS[settings.composer], settings.composer)


def webhook_secret(settings: MachineSettings) -> Secret | None:
    """Return the secret of ``POST /hooks/git``, None if the site has no such hook. Raises SettingsError."""
    file = settings.git.webhook_secret_file if settings.git.url else None
    if file is None:
        return None
    try:
        return first_line(file, SHORTEST_SECRET)
    except ValueError as error:
        raise SettingsError(f"git.webhook_secret_file: {error}") from None


def _identities(settings: Secrets, environment: Mapping[str, str]) -> list[Secret]:
    found = []
    if text := environment.get(AGE_IDENTITY):
        found.append(Secret(text))
    if settings.age_identity_file is not None:
        try:
            found.append(Secret(settings.age_identity_file.read_text("utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"secrets.age_identity_file: {settings.age_identity_file} cannot be read: {unreadable(error)}"
            ) from None
    if settings.age_identity_command:
        try:
            printed = run_program(settings.age_identity_command, seconds=_IDENTITY_SECONDS)
            found.append(Secret(printed.decode("utf-8", "replace")))
        except ProgramFailed as failed:
            raise SettingsError(f"secrets.age_identity_command: {failed}") from None
    return found


def _schema(settings: MachineSettings) -> DocumentSchema | None:
    if settings.schema_file is None:
        return None
    from bootgrant.machines.finish.talos_schema import BadSchema, TalosSchema

    try:
        return TalosSchema(settings.schema_file.read_bytes())
    except OSError as error:
        raise SettingsError(f"schema_file: {settings.schema_file} cannot be read: {error.strerror}") from None
    except BadSchema as bad:
        raise SettingsError(f"schema_file: {settings.schema_file}: {bad}") from None
