"""A new site: ``bootgrant.toml``, ``data/`` with the first operator, ``machines/`` with examples."""

from __future__ import annotations

import asyncio
import contextlib
import os
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from bootgrant.approval.operators import Role, socket_actor
from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.ports.people import Operator
from bootgrant.service.certificates.own import own_authority
from bootgrant.service.commands.own_authority import authorities
from bootgrant.service.data_folder import code_key, prepare_data_folder
from bootgrant.service.parts.database import migrate_database, open_database
from bootgrant.service.settings.setting import Setting, SettingsError
from bootgrant.service.settings.site import SETTINGS, Site, load_site
from bootgrant.service.settings.tls import TlsMode
from bootgrant.service.system import SystemClock, SystemEntropy
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.manage_operators import generated_password
from bootgrant.workflows.record.audit import Change, operator_changed


@dataclass(frozen=True, slots=True)
class NewSite:
    """The result of `init`. The password is shown once and not stored.

    ``authority`` is the fingerprint of the site's own authority, empty if it has none.
    """

    config: Path
    machines: Path
    operator: str
    password: Secret
    authority: str = ""


def init_site(
    folder: Path,
    public_url: str,
    listen: str,
    operator: str,
    chosen: Mapping[str, str] | None = None,
    user: str = "",
    environment: Mapping[str, str] | None = None,
) -> NewSite:
    """Create a site in ``folder``, with ``chosen`` settings in its file; a PostgreSQL database is migrated.

    Plain HTTP elsewhere than on loopback needs ``insecure_http`` in ``chosen``. ``user`` is the Unix user who runs
    this: the audit begins with the record that they added ``operator``. The ``environment`` overrides the file, as it
    will for `serve`. Raises StoreUnavailable, and SettingsError if there is a site already or a value cannot be used.
    """
    config = folder / "bootgrant.toml"
    if config.exists():
        raise SettingsError(f"{config} already exists: nothing was changed")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ours = {"public_url": public_url, "listen": listen, "insecure_http": "false"}
        config.write_text(settings_file({**ours, **(chosen or {})}), "utf-8")
        site = load_site(config, environment)
        site.machines.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not any(site.machines.iterdir()):
            _copy(resources.files("bootgrant.service.commands") / "example_machines", site.machines)
        password = init_data(site, operator, user)
    except OSError as error:
        with contextlib.suppress(OSError):
            config.unlink()
        place = error.filename or folder
        raise SettingsError(f"{place} cannot be written by user {os.getuid()}: {error.strerror}") from error
    except (SettingsError, StoreUnavailable):
        config.unlink()
        raise
    authority = next((each.fingerprint for each in authorities(site)), "")
    return NewSite(config, site.machines, operator, password, authority)


def init_data(site: Site, operator: str, user: str = "") -> Secret:
    """Make the data of a site: the folder, the code key, the database, and ``operator``. Return their password.

    ``user`` is as for ``init_site``. Raises StoreUnavailable, and SettingsError if there is an operator of this name.
    """
    password = generated_password(SystemEntropy())
    prepare_data_folder(site.data)
    key = code_key(site.code_key_path)
    if site.tls.mode is TlsMode.OWN:
        own_authority(site, key).create(SystemClock().now())
    migrate_database(site)
    asyncio.run(_add_operator(site, operator, password, user))
    return password


def _copy(source: Traversable, folder: Path) -> None:
    for each in source.iterdir():
        if each.is_dir():
            (folder / each.name).mkdir(exist_ok=True)
            _copy(each, folder / each.name)
        else:
            (folder / each.name).write_bytes(each.read_bytes())


async def _add_operator(site: Site, name: str, password: Secret, user: str) -> None:
    async with open_database(site, SystemClock().now()) as database:
        if await database.operators.find_operator(name) is not None:
            raise SettingsError(
                f"{name} is already an operator in this database: to add a server, copy the folder of the first one "
                "(docs/server.md); to start a new site, choose another --operator"
            )
        hashed = await Argon2Hasher().hash(password)
        now = SystemClock().now()
        operator = Operator(name, hashed, now, Role.ADMIN)
        change = Change(now, socket_actor(user), "added by bootgrant init")
        await database.operators.add_operator(operator, operator_changed(change, name, None, operator))


def settings_file(chosen: dict[str, str]) -> str:
    """Return ``bootgrant.toml`` with every setting: the chosen values, and the defaults of the others."""
    lines = _comment(
        "The settings of this site. Every key that is not in a table with double brackets can also be set by an "
        "environment variable: grants.hold is BOOTGRANT_GRANTS_HOLD."
    )
    section = ""
    for setting in SETTINGS:
        lines += [] if setting.example or setting.section == section else ["", f"[{setting.section}]"]
        lines += ["", *_comment(setting.help)]
        if setting.example:
            # A table with a default is written out; the others are examples to uncomment.
            lines += setting.example if setting.default else [f"# {line}" for line in setting.example]
        else:
            section = setting.section
            lines.append(_line(setting, chosen.get(setting.key)))
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 100, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _line(setting: Setting, chosen: str | None) -> str:
    value = chosen if chosen is not None else setting.default
    if isinstance(value, tuple):
        return f"{setting.name} = [{', '.join(_toml(item) for item in value)}]"
    if setting.form.is_list and isinstance(value, str):
        return f"{setting.name} = [{', '.join(_toml(item) for item in value.split(',') if item)}]"
    if isinstance(value, int):
        return f"{setting.name} = {value}"
    return f"{setting.name} = {_toml(value or '')}"


def _toml(text: str) -> str:
    """Return a basic string of TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'
