"""Machine configurations, as the workflows see them. ``ports.origins`` is where their files come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from bootgrant.machines.site.variables import Minting
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret

CONTROL_PLANE: Final = frozenset({"controlplane", "init"})
"""The values of ``machine.type`` whose configuration has the keys of a cluster (for Talos, "init" is one too)."""


class ConfigUnavailable(Exception):
    """A configuration exists but cannot be served now, or the configurations cannot be read.

    ``reason`` is for the machine's console (ASCII, at most 32 bytes). The exception's text is for the operator: it
    names the file and what to do. If it ``passes``, the server itself has to get ready or to recover first, and the
    same call may succeed a moment later.
    """

    def __init__(self, message: str, reason: str, *, passes: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.passes = passes


@dataclass(frozen=True, slots=True)
class MachineEntry:
    """What one machine, or every machine that fits a pattern, gets. ``name`` is stored with the approval.

    ``matched``: what found the entry ("uuid", "mac 52:54:00:*"); ``exact`` is false if that was a pattern.
    ``match``: the values that each variable of its machine may have.
    ``networks``: the CIDRs where the machine is expected; none means anywhere.
    ``approvals``: how many people must approve at least.
    ``machine_type``: Talos's; empty if it is unknown, or for other kinds of configuration.
    ``precious``: the fields with a private key or secret of a cluster ("machine.ca.key"), never their values.
    ``varies``: the configuration depends on the machine; ``machine_type`` and ``precious`` are those of a sample.
    ``revision``: the state of the configurations, a commit or a digest of the folder.
    ``mints``: the variables in it whose values are made at delivery.
    ``problem``: in a list of all entries, why it cannot be served.
    """

    name: str
    matched: str
    labels: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    match: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exact: bool = True
    networks: tuple[str, ...] = ()
    approvals: int = 1
    machine_type: str = ""
    revision: str = ""
    varies: bool = False
    mints: tuple[str, ...] = ()
    precious: tuple[str, ...] = ()
    problem: str = ""

    @property
    def is_control_plane(self) -> bool:
        return self.machine_type in CONTROL_PLANE

    @property
    def is_precious(self) -> bool:
        """Whether two people must approve it: a control plane, or a configuration with the keys of one."""
        return self.is_control_plane or bool(self.precious)

    @property
    def fingerprint(self) -> str:
        """A digest of the name, the labels, the machine type, and whether the entry is precious without being a control
        plane. An approval is only valid for this fingerprint."""
        approved: list[object] = [self.name, sorted(self.labels.items()), self.machine_type]
        if self.is_precious and not self.is_control_plane:
            approved.append("precious")
        return hashlib.sha256(json.dumps(approved).encode()).hexdigest()


@dataclass(frozen=True, slots=True, repr=False)
class Rendered:
    """A finished configuration, never empty. ``composer`` is what made it: "bootgrant", "talosctl", "file".

    ``mints`` are the variables in it whose values are made at delivery: ``config`` has MADE_AT_DELIVERY in their place,
    and none is left when they were given to ``render_made``.
    ``sha256`` is computed once, because one rendering may be delivered many times.
    """

    entry: MachineEntry
    config: bytes
    composer: str
    content_type: str = "application/yaml"
    mints: Mapping[str, Minting] = field(default_factory=dict)
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(self.config).hexdigest())


@dataclass(frozen=True, slots=True)
class SourceState:
    """``revision`` is the one being served since ``taken_at`` (Unix seconds); empty if there is none yet.

    ``problem`` is why a newer revision is not served, or part of this one cannot be; ``since`` is when that began.
    """

    revision: str = ""
    taken_at: float = 0.0
    problem: str = ""
    since: float = 0.0


class WatchedSource(Protocol):
    """The revision of the configurations that is being served."""

    def state(self) -> SourceState: ...


class AcceptingSource(Protocol):
    """Commits that a person accepts though they do not follow the one that is served. Blocks; for any thread."""

    def acceptable(self, commit: str) -> tuple[str, str]:
        """Return the ids of a commit that can be accepted and of the one that is served. Raises ConfigUnavailable."""

    def accept(self, revision: str) -> None:
        """Serve a commit that is acceptable, at the next look. Raises ConfigUnavailable."""


class ConfigSource(Protocol):
    """The configurations of a site. Every method may raise ConfigUnavailable."""

    async def find_entry(self, identity: MachineIdentity) -> MachineEntry | None:
        """Return the entry for a machine, or None."""

    async def may_need_two(self, identity: MachineIdentity) -> bool:
        """Return whether more than one person may have to approve this machine.

        It is asked for every request of every machine, so it answers from memory: a change may take a second to show.
        True also where only the configuration for this machine could tell.
        """

    async def named_entry(self, name: str) -> MachineEntry | None:
        """Return the entry with this name, for whichever machine, or None."""

    async def entries(self) -> Sequence[MachineEntry]:
        """Return every entry, sorted by name."""

    async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
        """Return an entry's configuration for the machine with this approved identity; None if the entry is gone."""

    async def render_made(self, name: str, identity: MachineIdentity, made: Mapping[str, Secret]) -> Rendered | None:
        """Return it with the values that were made for one delivery. It is not kept anywhere."""

    async def preview(
        self, name: str, identity: MachineIdentity | None, *, reveal: bool = False, plain: bool = False
    ) -> str | None:
        """Return the configuration as a person may see it: secrets and free text redacted, each value with its layer in
        a comment unless ``plain``. Without an identity it is that of a sample machine. ``reveal`` shows everything, to
        admins only (workflows.decide.reveal)."""
