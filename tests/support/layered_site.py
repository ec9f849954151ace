"""A machines folder with layers, and the parts that make configurations from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bootgrant.configurations.current_revision import CurrentRevision
from bootgrant.configurations.site_configurations import SiteConfigurations
from bootgrant.configurations.snapshot import Toolbox
from bootgrant.ports.configurations import MachineEntry, Rendered
from bootgrant.ports.origins import Origin
from bootgrant.sources.encrypted_files import EncryptedFiles
from bootgrant.sources.folder import Folder
from bootgrant.sources.programs import SitePrograms
from bootgrant.wire.identity import MachineIdentity
from support.fakes import FakeClock
from support.grants import UUID

MODEL = f"""\
defaults:
  layers: [all, "{{role}}", "node/{{name}}"]
entries:
  - name: cp-1
    match: {{uuid: {UUID}}}
    labels: {{role: control-plane, site: fra}}
    networks: [10.20.0.0/24]
  - name: spare-worker
    match: {{mac: "52:2f:*"}}
    labels: {{role: worker}}
    layers: [all, worker]
"""
BASE = """\
version: v1alpha1
machine:
  type: worker
  ca: {crt: YQ==}
  token: s3cr3t-token
  install: {disk: /dev/sda}
cluster:
  clusterName: demo
  controlPlane: {endpoint: "https://demo.example:6443"}
"""
CP = MachineIdentity(UUID)
"""The machine of the entry cp-1."""
FILES: Mapping[str, str] = {
    "machines.yaml": MODEL,
    "all/00-base.yaml": BASE,
    "control-plane/10-role.yaml": "machine:\n  type: controlplane\n  ca: {crt: YQ==, key: YQ==}\n",
    "worker/10-role.yaml": "# nothing yet\n",
    "node/cp-1/50-name.yaml.j2": "machine:\n  network:\n    hostname: {{ name }}\n",
}


def write_machines(folder: Path, changed: Mapping[str, str | None] | None = None) -> Path:
    """The folder with FILES; ``changed`` by path, None leaves one out."""
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in {**FILES, **(changed or {})}.items():
        if text is not None:
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
    return folder


def site_program(folder: Path, script: str, name: str = "site-secret") -> Path:
    """Write a shell script as a program of the site."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def toolbox(decrypter: EncryptedFiles | None = None, programs: SitePrograms | None = None) -> Toolbox:
    """The tools of a site; without arguments it has no age identity and allows no program."""
    return Toolbox(decrypter or EncryptedFiles(), programs or SitePrograms())


def site_configurations(
    origin: Origin | Path, clock: FakeClock | None = None, tools: Toolbox | None = None
) -> SiteConfigurations:
    """The configurations of an origin, or of a folder with its finished files."""
    place = Folder(origin) if isinstance(origin, Path) else origin
    current = CurrentRevision(place, tools or toolbox(), clock or FakeClock())
    return SiteConfigurations(current, place if isinstance(place, Folder) else None)


async def found(source: SiteConfigurations, identity: MachineIdentity) -> MachineEntry:
    """Find the entry of a machine, which must have one."""
    entry = await source.find_entry(identity)
    assert entry is not None
    return entry


async def rendered(source: SiteConfigurations, name: str, identity: MachineIdentity = CP) -> Rendered:
    """Render an entry, which must exist."""
    made = await source.render(name, identity)
    assert made is not None
    return made
