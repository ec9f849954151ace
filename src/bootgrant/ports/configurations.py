"""Where machine configurations come from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from bootgrant.wire.identity import MachineIdentity

CONTROL_PLANE: Final = frozenset({"controlplane", "init"})
"""The values of ``machine.type`` whose configuration holds the keys of a cluster (Talos reads "init" as one)."""


class ConfigUnavailable(Exception):
    """The configuration is there and cannot be served now, or the source cannot be read.

    ``reason`` is what the machine's console may show (ASCII, at most 32 bytes); the exception's text is for the
    operator: it names the file and what to do.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class MachineEntry:
    """What one machine, or every machine of a pattern, gets. ``name`` is kept with the approval.

    ``matched`` says what found it ("uuid", "mac 52:54:00:*"); ``exact`` is false when a pattern did. ``match`` is what
    the entry says of its machine: the variable and the values that it may have. ``networks`` are CIDRs where it is
    expected, none for anywhere. ``approvals`` is how many people it needs at least; ``machine_type`` is Talos's, empty
    for other kinds of configuration or when it is not known. ``varies``: its configuration depends on the machine, and
    ``machine_type`` is that of a sample. ``revision`` names the state of the source (a commit, or
    a digest of the folder).
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

    @property
    def is_control_plane(self) -> bool:
        return self.machine_type in CONTROL_PLANE

    @property
    def fingerprint(self) -> str:
        """Changes with the name, the labels or the machine type: an approval is for this and nothing else."""
        told = json.dumps([self.name, sorted(self.labels.items()), self.machine_type])
        return hashlib.sha256(told.encode()).hexdigest()


@dataclass(frozen=True, slots=True, repr=False)
class Rendered:
    """A finished configuration, never empty. ``composer`` is what put it together: "bootgrant", "talosctl", "file".

    The digest is made once, because one rendering may be delivered many times.
    """

    entry: MachineEntry
    config: bytes
    composer: str
    content_type: str = "application/yaml"
    sha256: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha256", hashlib.sha256(self.config).hexdigest())


@dataclass(frozen=True, slots=True)
class SourceState:
    """How the configurations stand. ``revision`` is what is served, empty before the first; ``taken_at`` is when it
    was taken over (Unix seconds).

    ``problem`` is why a newer state is not taken (the last good one is served on), empty when all is well; ``since``
    is when that began.
    """

    revision: str = ""
    taken_at: float = 0.0
    problem: str = ""
    since: float = 0.0


class WatchedSource(Protocol):
    """A source that takes over changes by itself, whole or not at all."""

    def state(self) -> SourceState: ...


class ConfigSource(Protocol):
    """Every method may raise ConfigUnavailable."""

    async def find_entry(self, identity: MachineIdentity) -> MachineEntry | None:
        """The entry that this machine gets; None when there is none."""

    async def named_entry(self, name: str) -> MachineEntry | None:
        """The entry of this name, whoever it is for; None when there is none."""

    async def entries(self) -> Sequence[MachineEntry]:
        """All of them, by name."""

    async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
        """The configuration of an entry for the machine with this approved identity; None when the entry is gone."""

    async def preview(self, name: str, identity: MachineIdentity) -> str | None:
        """The same as text for a person: every secret blacked out, and behind each value the layer that it came from,
        as a comment. None when the entry is gone.
        """
