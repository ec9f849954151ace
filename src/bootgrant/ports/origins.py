"""Where the files of machine configurations come from: a folder or a git repository, and the site's own programs.

The room ``sources`` implements these ports, and ``configurations`` uses them. A composer of the site (``talosctl``) is
a ``machines.finish.rendering.Compose``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bootgrant.machines.finish.rendering import Content
from bootgrant.machines.site.model import Entry
from bootgrant.machines.site.variables import Command, Minting

Stamp = tuple[int, int, int, int]
"""Modification and change times (ns), size, inode: a file with the same stamp has the same content."""


@dataclass(frozen=True, slots=True, repr=False)
class Tree:
    """All files of one revision: ``files`` maps a path (``role/worker/10-net.yaml``) to its content.

    ``finished`` names the finished configurations next to ``machines.yaml``, read only when their machine asks.
    ``submodules`` are the folders of git submodules, whose files are not in ``files``.
    """

    files: Mapping[str, bytes]
    revision: str
    finished: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Acceptable:
    """A commit that a person may accept though it does not follow ``served``, which is empty if there is none."""

    commit: str
    served: str


class Origin(Protocol):
    """A place that trees come from. Every method may take long; all but ``fetch_soon`` raise SiteBroken."""

    def is_layered(self) -> bool:
        """Return whether there is a ``machines.yaml`` or ``entries/``, or else only finished configurations."""

    def changed(self) -> bool:
        """Return whether there is something that ``tree`` has not yet tried to read."""

    def tree(self) -> Tree:
        """Read the newest revision."""

    def fetch_soon(self) -> None:
        """Let the next call of ``changed`` fetch, even if the last fetch was a moment ago."""

    def served(self, revision: str) -> None:
        """Remember a revision that is now served, perhaps without some broken entries."""

    def keep(self, revision: str) -> None:
        """Remember a revision that is now served as a whole, for ``last_good``."""

    def acceptable(self, commit: str) -> Acceptable:
        """Return the commit with this id if it is the newest one, so that it can be accepted."""

    def accept(self, revision: str) -> None:
        """Let ``tree`` return this commit even if it does not follow the one that is served."""

    def last_good(self) -> Tree | None:
        """Return the revision that was served before a restart; None if the origin does not keep it."""


class FinishedFolder(Protocol):
    """The finished configurations at the top of a folder, read at the moment of the call. Raises ConfigUnavailable."""

    @property
    def path(self) -> Path: ...

    def check(self) -> None:
        """Raise ConfigUnavailable if the folder cannot be read."""

    def finished_names(self) -> Sequence[str]:
        """Return the names of all ``.yaml`` files in order."""

    def finished_stamp(self, name: str) -> Stamp | None:
        """Return the stamp of a file; None if there is no such file."""

    def finished_content(self, name: str) -> tuple[bytes, Stamp] | None:
        """Read a file; None if there is no such file."""


class Decrypter(Protocol):
    """Opens encrypted files in memory."""

    def decrypted(self, path: str, raw: bytes) -> Content:
        """Return a file of the tree in clear; a file that is not encrypted is returned unchanged. Raises SiteBroken."""

    def is_plain(self, path: str, raw: bytes) -> bool:
        """Return whether a file is certainly not encrypted. A quick look: in doubt it is false."""

    def opened(self, path: str, raw: bytes) -> bytes | None:
        """The same without reading the clear text; None for a file that is not encrypted. Raises SiteBroken."""


class Programs(Protocol):
    """The site's own programs that print values (``{exec: [program, word, …]}``)."""

    def value(self, entry: Entry, variable: str, command: Command) -> str:
        """Return what a program prints for a variable of an entry. Raises SiteBroken."""

    def check(self, entry: Entry, variable: str, minting: Minting) -> None:
        """Raise SiteBroken unless the programs that make a value at delivery may run. They do not run here."""
