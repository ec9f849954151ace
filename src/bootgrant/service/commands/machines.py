"""What the commands `check`, `render`, `machines` and `export` do with a site's machine configurations."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bootgrant.approval.policy import Network
from bootgrant.configurations.checking import findings_of
from bootgrant.configurations.snapshot import Snapshot
from bootgrant.machines.finish.annotation import annotated
from bootgrant.machines.finish.redaction import Label, redacted
from bootgrant.machines.finish.rendering import Finished, sample_identity
from bootgrant.machines.site.findings import Finding, SiteBroken
from bootgrant.machines.site.finished_files import finished_entries
from bootgrant.machines.site.model import Entry
from bootgrant.machines.site.selection import Selector, Verdict
from bootgrant.service.parts.machines import origin_of, past_tree, toolbox
from bootgrant.service.settings.reading import load_site
from bootgrant.service.settings.sections import MachineSettings
from bootgrant.wire.identity import MachineIdentity

__all__ = [
    "Checked",
    "MachinesOf",
    "NoSuchEntry",
    "Snapshot",
    "check",
    "explain",
    "finish",
    "machines_of",
    "secret_labels",
    "shown",
]


@dataclass(frozen=True, slots=True)
class MachinesOf:
    """A site's configurations: of its settings, or of a folder alone."""

    folder: Path
    settings: MachineSettings
    data: Path | None = None
    networks: Sequence[Network] = ()

    def snapshot(self, revision: str = "") -> Snapshot:
        """As they are now, or as they were at a commit. Raises SettingsError and SiteBroken."""
        tools = toolbox(self.settings)
        origin = origin_of(self.folder, self.settings, self.data)
        return Snapshot(past_tree(origin, revision) if revision else origin.tree(), tools)


def machines_of(config: Path, environment: dict[str, str]) -> MachinesOf:
    """Raises SettingsError."""
    site = load_site(config, environment)
    return MachinesOf(site.machines, site.machine_settings, site.data, site.networks.machines)


@dataclass(frozen=True, slots=True)
class Checked:
    """``place`` is what the files of the findings are relative to."""

    findings: Sequence[Finding]
    entries: int
    revision: str
    place: Path


def check(machines: MachinesOf) -> Checked:
    """Every finding of a site. Raises SettingsError."""
    try:
        snapshot = machines.snapshot()
    except SiteBroken as broken:
        return Checked(broken.findings, 0, "", machines.folder)
    found = findings_of(snapshot, machines.networks)
    return Checked(found, len(snapshot.entries), snapshot.revision, machines.folder)


class NoSuchEntry(Exception):
    """A name that no entry has."""


def finish(snapshot: Snapshot, name: str, identity: MachineIdentity | None) -> Finished:
    """One configuration. Raises NoSuchEntry and SiteBroken."""
    if name not in snapshot.entries:
        near = ", ".join(sorted(snapshot.entries)[:8]) or "none"
        more = ", …" if len(snapshot.entries) > 8 else ""
        raise NoSuchEntry(f"there is no entry {name}; there are: {near}{more}")
    entry = snapshot.entries[name]
    return snapshot.finish(name, _completed(entry, identity))


def _completed(entry: Entry, identity: MachineIdentity | None) -> MachineIdentity:
    """A machine of this entry, with what the caller says of it."""
    sample = sample_identity(entry)
    return MachineIdentity(**(sample.given() | identity.given())) if identity else sample


def shown(made: Finished, *, reveal: bool, plain: bool, label: Label | None = None) -> str:
    """A configuration for a person: secrets blacked out unless they are to be seen, each value with its layer."""
    if reveal:
        text = made.config.decode("utf-8", "replace")
    else:
        text = redacted(made.config, made.secrets, label) if label else redacted(made.config, made.secrets)
    return text if plain else annotated(text, made.origins)


def secret_labels() -> Label:
    """Labels by which two secrets can be told apart in a difference, and by which nobody can guess them."""
    key = secrets.token_bytes(32)

    def label(secret: str) -> str:
        return f"<redacted {hmac.new(key, secret.encode('utf-8', 'surrogatepass'), hashlib.sha256).hexdigest()[:6]}>"

    return label


def explain(snapshot: Snapshot, identity: MachineIdentity) -> list[Verdict]:
    """Every entry with what it is to this machine; where none fits, a finished file may."""
    verdicts = snapshot.selector.explain(identity)
    if any(verdict.is_chosen for verdict in verdicts):
        return verdicts
    beside = Selector(finished_entries(snapshot.tree.finished))
    return [*(verdict for verdict in beside.explain(identity) if verdict.is_chosen), *verdicts]
