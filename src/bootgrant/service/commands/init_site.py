"""A new site: ``bootgrant.toml``, ``data/`` with the first operator, ``machines/`` with examples."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bootgrant.approval.operators import Role
from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.ports.people import Operator
from bootgrant.service.data_folder import code_key, prepare_data_folder
from bootgrant.service.parts.database import migrate_database, open_database
from bootgrant.service.settings.forms import SettingsError
from bootgrant.service.settings.reading import load_site
from bootgrant.service.settings.setting import Setting
from bootgrant.service.settings.site import SETTINGS, Site
from bootgrant.service.system import SystemClock, SystemEntropy
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.manage_operators import generated_password

_MODEL = """\
# The machines of this site, and what each of them gets. docs/machines.md describes everything that this file may
# contain, and `bootgrant check` finds mistakes. A machine without an entry can still request approval: the page shows
# its uuid, serial number and mac.
#
# A configuration is composed of layers, which are folders next to this file: all/, the folder named after the role, and
# node/NAME, as far as they exist. The first file is the base (for example the output of `talosctl gen config`), the
# others are patches to it. Instead, a machine may have one finished file in this folder: <uuid>.yaml, or
# <mac with dashes>.yaml.
entries: []
# - name: node-1
#   match: {uuid: 40dcbd19-3b10-444e-bfff-aaee44a51fda}
#   labels: {role: worker}
#   variables: {address: 10.20.0.21/24}
"""
_LAYERS = {
    "all/01-base.yaml.example": """\
# The base for all machines, which the other files patch. To use it, remove .example from its name.
version: v1alpha1
machine:
  type: worker
  install:
    disk: /dev/sda
cluster:
  clusterName: my-cluster
  controlPlane:
    endpoint: https://cluster.example.org:6443
""",
    "control-plane/01-role.yaml.example": """\
# For machines with the label `role: control-plane`.
machine:
  type: controlplane
""",
    "node/node-1/01-network.yaml.j2.example": """\
# Only for the machine node-1. Its variables are in machines.yaml.
machine:
  network:
    hostname: {{ name }}
    interfaces:
      - interface: eth0
        addresses: [{{ variables.address }}]
""",
}


@dataclass(frozen=True, slots=True)
class NewSite:
    """The result of `init`. The password is shown once and not stored."""

    config: Path
    operator: str
    password: Secret


def init_site(
    folder: Path, public_url: str, listen: str, operator: str, database: Mapping[str, str] | None = None
) -> NewSite:
    """Create a site. ``database`` has the settings of its database; PostgreSQL is migrated.

    Raises SettingsError if there already is a site or a value is invalid, and StoreUnavailable.
    """
    config = folder / "bootgrant.toml"
    if config.exists():
        raise SettingsError(f"{config} already exists: nothing was changed")
    password = generated_password(SystemEntropy())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        config.write_text(settings_file({"public_url": public_url, "listen": listen, **(database or {})}), "utf-8")
        site = load_site(config)
        site.machines.mkdir(mode=0o700, exist_ok=True)
        _write_examples(site.machines)
        prepare_data_folder(site.data)
        code_key(site.code_key_path)
        migrate_database(site)
        asyncio.run(_add_operator(site, operator, password))
    except OSError as error:
        raise SettingsError(f"{folder} cannot be written: {error.strerror}") from error
    except (SettingsError, StoreUnavailable):
        config.unlink()
        raise
    return NewSite(config, operator, password)


def _write_examples(machines: Path) -> None:
    (machines / "machines.yaml").write_text(_MODEL, "utf-8")
    for path, text in _LAYERS.items():
        (machines / path).parent.mkdir(parents=True, exist_ok=True)
        (machines / path).write_text(text, "utf-8")


async def _add_operator(site: Site, name: str, password: Secret) -> None:
    async with open_database(site, SystemClock().now()) as database:
        if await database.operators.find_operator(name) is not None:
            raise SettingsError(
                f"{name} is already an operator in this database: for another server, copy the folder of the first "
                "(docs/server.md), or give another --operator"
            )
        hashed = await Argon2Hasher().hash(password)
        await database.operators.add_operator(Operator(name, hashed, SystemClock().now(), Role.ADMIN))


def settings_file(chosen: dict[str, str]) -> str:
    """Return ``bootgrant.toml`` with every setting: the chosen values, and the defaults of the others."""
    lines = _comment(
        "bootgrant's settings. The environment can set every key that is not a table: grants.hold is "
        "BOOTGRANT_GRANTS_HOLD."
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
    return textwrap.wrap(text, 100, initial_indent="# ", subsequent_indent="# ")


def _line(setting: Setting, chosen: str | None) -> str:
    value = chosen if chosen is not None else setting.default
    if isinstance(value, tuple):
        return f"{setting.name} = [{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, int):
        return f"{setting.name} = {value}"
    return f"{setting.name} = {_toml(value or '')}"


def _toml(text: str) -> str:
    """Write a basic string of TOML."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped) + '"'
