"""The source of machine configurations, put together from the settings."""

from __future__ import annotations

import os
from collections.abc import Mapping

from bootgrant.machines.validation import BadSchema, Rules, TalosSchema
from bootgrant.ports.clock import Clock
from bootgrant.service.machine_settings import MachineSettings
from bootgrant.service.settings import SettingsError, Site
from bootgrant.sources.directory import DirectorySource
from bootgrant.sources.layered import LayeredSource
from bootgrant.sources.programs import ProgramFailed, run_program
from bootgrant.sources.secret_files import BadIdentity, SecretFiles
from bootgrant.sources.site_values import SiteValues
from bootgrant.sources.snapshot import Workshop
from bootgrant.sources.tree import FolderTree
from bootgrant.wire.secret import Secret

AGE_IDENTITY = "BOOTGRANT_AGE_IDENTITY"
"""The environment variable that may hold the age identity itself."""

_IDENTITY_SECONDS = 60.0


def machine_source(site: Site, clock: Clock, environment: Mapping[str, str] | None = None) -> LayeredSource:
    """Raises SettingsError."""
    made = workshop(site.machine_settings, environment)
    return LayeredSource(FolderTree(site.machines), made, clock, DirectorySource(site.machines))


def workshop(settings: MachineSettings, environment: Mapping[str, str] | None = None) -> Workshop:
    """How configurations are made at this site. Raises SettingsError."""
    try:
        files = SecretFiles(_identities(settings, os.environ if environment is None else environment))
    except BadIdentity as bad:
        raise SettingsError(f"the age identity cannot be used: {bad}") from None
    values = SiteValues(settings.exec_programs, settings.exec_seconds)
    return Workshop(files, values, Rules(_schema(settings)))


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
