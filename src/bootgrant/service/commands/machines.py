"""A site's machine configurations for the commands `check`, `render`, `machines` and `export`.

Exported files contain secrets in clear, so only their owner can read them.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bootgrant.approval.operators import is_within, parse_labels
from bootgrant.approval.policy import Network
from bootgrant.configurations.engine import Workbench
from bootgrant.configurations.revision import Made, Revision
from bootgrant.configurations.site_configurations import described_with_problem
from bootgrant.configurations.worker_process import WorkerFailed
from bootgrant.machines.finish.leftovers import still_encrypted
from bootgrant.machines.finish.rendering import sample_identity
from bootgrant.machines.site.files import finished_entries
from bootgrant.machines.site.findings import Finding, SiteBroken, error
from bootgrant.machines.site.model import Entry
from bootgrant.machines.site.selection import Selector, Verdict
from bootgrant.machines.talos.composing import Composed
from bootgrant.machines.talos.documents import Part
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.ports.origins import Tree
from bootgrant.service.data_folder import write_private
from bootgrant.service.parts.machines import engine, origin_of, past_tree
from bootgrant.service.settings.sections import Composer, MachineSettings
from bootgrant.service.settings.site import load_site
from bootgrant.sources.folder import Folder
from bootgrant.wire.identity import MachineIdentity

__all__ = [
    "Checked",
    "NoSuchEntry",
    "Revision",
    "Shown",
    "SiteMachines",
    "WorkerFailed",
    "check",
    "explain",
    "export_folder",
    "export_iso",
    "finish",
    "listed",
    "patched",
    "secret_labels",
    "shown",
    "site_machines",
]
ISO_LABEL: Final = "metal-iso"
"""The volume label that Talos looks for (``platform/metal/metal.go``)."""
_SUFFIXES: Final = {"application/json": ".json", "application/vnd.coreos.ignition+json": ".ign"}


@dataclass(frozen=True, slots=True)
class SiteMachines:
    """The configurations of a site, or of a folder without settings."""

    folder: Path
    settings: MachineSettings
    data: Path | None = None
    networks: Sequence[Network] = ()

    def snapshot(self, revision: str = "") -> Revision:
        """Read the configurations as they are now, or at a commit. Raises SettingsError, SiteBroken, WorkerFailed."""
        made = engine(self.settings)
        origin = origin_of(self.folder, self.settings, self.data)
        return Revision(past_tree(origin, revision) if revision else origin.tree(), made)


def site_machines(config: Path, environment: dict[str, str]) -> SiteMachines:
    """Raises SettingsError."""
    site = load_site(config, environment)
    return SiteMachines(site.machines, site.machine_settings, site.data, site.networks.machines)


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of a check; the files in ``findings`` are relative to ``place``."""

    findings: Sequence[Finding]
    entries: int
    revision: str
    place: Path


def check(machines: SiteMachines) -> Checked:
    """Return every finding about a site. Raises SettingsError."""
    try:
        snapshot = machines.snapshot()
    except SiteBroken as broken:
        return Checked(broken.findings, 0, "", machines.folder)
    networks = [str(network) for network in machines.networks]
    found, count = snapshot.check(networks), len(snapshot.entries)
    origin = origin_of(machines.folder, machines.settings, machines.data)
    if isinstance(origin, Folder) and not snapshot.has_model:
        found = [*_served_unchanged(snapshot), *found]
    elif isinstance(origin, Folder) and snapshot.tree.finished:
        finished, unreadable = _finished_next_to(origin, machines, snapshot)
        found = [*unreadable, *_served_unchanged(finished), *finished.check(networks), *found]
        count += len(snapshot.tree.finished)
    return Checked(found, count, snapshot.revision, machines.folder)


def _finished_next_to(origin: Folder, machines: SiteMachines, snapshot: Revision) -> tuple[Revision, list[Finding]]:
    """Return the finished files next to ``machines.yaml``, as a revision, and an error for each unreadable one."""
    files, unreadable = {}, []
    for name in snapshot.tree.finished:
        try:
            read = origin.finished_content(name)
        except ConfigUnavailable as failed:
            unreadable.append(error("unreadable", str(failed), name, 1, name))
            continue
        if read is not None:
            files[name] = read[0]
    return Revision(Tree(files, snapshot.revision), engine(machines.settings)), unreadable


def _served_unchanged(finished: Revision) -> list[Finding]:
    """Return an error for each encrypted file that the server would serve as it is: it decrypts only layers."""
    encrypted = {name: still_encrypted(name, finished.tree.files[name]) for name in finished.entries}
    return [error("ciphertext", message, name, 1, name) for name, message in encrypted.items() if message]


def listed(snapshot: Revision, labels: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return the entries with these labels as the API has them. What only a server knows is null."""
    from bootgrant.operator_plane.api.entries import entry_of_files

    wanted = parse_labels(labels)
    entries = [described_with_problem(snapshot, entry) for entry in snapshot.entries.values()]
    return [entry_of_files(entry) for entry in entries if is_within(wanted, entry.labels)]


class NoSuchEntry(Exception):
    """No entry has this name."""


def finish(snapshot: Revision, name: str, identity: MachineIdentity | None) -> Made:
    """Return one configuration. Raises NoSuchEntry and SiteBroken."""
    return snapshot.finish(name, _completed(_entry(snapshot, name), identity))


def _entry(snapshot: Revision, name: str) -> Entry:
    if name not in snapshot.entries:
        known = ", ".join(sorted(snapshot.entries)[:8]) or "none"
        more = ", …" if len(snapshot.entries) > 8 else ""
        raise NoSuchEntry(f"there is no entry {name}; the entries are: {known}{more}")
    return snapshot.entries[name]


def _completed(entry: Entry, identity: MachineIdentity | None) -> MachineIdentity:
    """Return a machine of this entry, with the values that were given."""
    sample = sample_identity(entry)
    return MachineIdentity(**(sample.given() | identity.given())) if identity else sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How a configuration is shown: with its secrets, without its layers, secrets as words by a key."""

    reveal: bool = False
    plain: bool = False
    label_key: bytes = b""


def shown(snapshot: Revision, name: str, identity: MachineIdentity | None, how: Shown) -> tuple[str, Sequence[Finding]]:
    """Return one configuration as text, and the warnings about it. Raises NoSuchEntry and SiteBroken."""
    machine = _completed(_entry(snapshot, name), identity)
    return snapshot.preview(name, machine, reveal=how.reveal, plain=how.plain, label_key=how.label_key)


def secret_labels() -> bytes:
    """Return a key for labels by which a diff distinguishes secrets, but from which nobody can guess them."""
    return secrets.token_bytes(32)


def patched(composer: str, parts: Sequence[Part], release: str) -> Composed:
    """Return a Talos configuration with patches applied, by the composer of this name. Raises ComposeError."""
    bench = Workbench(engine(MachineSettings(composer=Composer(composer))))
    try:
        return bench.compose(parts, release)
    finally:
        bench.close()


def explain(snapshot: Revision, identity: MachineIdentity) -> list[Verdict]:
    """Return every entry with why the machine gets it or not, and a finished file if it gets that."""
    verdicts = snapshot.selector.explain(identity)
    if any(verdict.is_chosen for verdict in verdicts):
        return verdicts
    finished = Selector(finished_entries(snapshot.tree.finished)).explain(identity)
    return [*(verdict for verdict in finished if verdict.is_chosen), *verdicts]


def metal_iso(config: bytes) -> bytes:
    """Return an ISO 9660 image with ``config.yaml``, as ``talos.config=metal-iso`` reads it."""
    # Only this command needs it, and it takes long to import.
    import pycdlib

    image = pycdlib.PyCdlib()
    image.new(vol_ident=ISO_LABEL, interchange_level=4, joliet=3, rock_ridge="1.09")
    image.add_fp(io.BytesIO(config), len(config), "/config.yaml", rr_name="config.yaml", joliet_path="/config.yaml")
    written = io.BytesIO()
    image.write_fp(written)
    image.close()
    return written.getvalue()


def export_iso(snapshot: Revision, name: str, identity: MachineIdentity | None, out: Path) -> None:
    """Write an entry's image. Raises NoSuchEntry, SiteBroken and OSError."""
    write_private(out, metal_iso(finish(snapshot, name, identity).config))


def export_folder(snapshot: Revision, out: Path) -> tuple[Sequence[str], Sequence[tuple[str, str]]]:
    """Write every configuration that does not depend on the machine, as ``NAME.yaml``. Raises OSError.

    Returns the names of those written, and those left out, each with the reason.
    """
    out.mkdir(mode=0o700, parents=True)
    written, left = [], []
    for name, entry in snapshot.entries.items():
        try:
            made = finish(snapshot, name, None)
        except SiteBroken as broken:
            left.append((name, str(broken)))
            continue
        if made.uses_machine and entry.has_pattern:
            left.append((name, "each of its machines gets a different one: export one at a time with --uuid or --mac"))
            continue
        suffix = "" if name.endswith((".yaml", ".yml", ".json")) else _SUFFIXES.get(entry.schema.content_type, ".yaml")
        write_private(out / f"{name}{suffix}", made.config)
        written.append(name)
    return written, left
