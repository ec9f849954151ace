"""Read a lock file: which package, in which version, with which hashes, and on which systems."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[2]
LOCK: Final = ROOT / "requirements/run.txt"
PYTHONS: Final = ("3.11", "3.12", "3.13", "3.14")
"""The versions of Python that a release supports (docs/support.md)."""
ARCHITECTURES: Final = ("x86_64", "aarch64")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Locked:
    """One package of a lock file."""

    name: str
    version: str
    marker: Marker | None
    hashes: tuple[str, ...]

    def applies(self, python: str, architecture: str = "x86_64") -> bool:
        """Whether it is installed on Linux with this Python."""
        return self.marker is None or self.marker.evaluate(_linux(python, architecture))

    @property
    def line(self) -> str:
        """Its entry in a lock file, without the marker."""
        return " \\\n    ".join((f"{self.name}=={self.version}", *(f"--hash=sha256:{hash_}" for hash_ in self.hashes)))


def read(path: Path = LOCK) -> Sequence[Locked]:
    """Return the packages of a lock file that are for Linux, in the order of the file."""
    entries = (_parsed(entry) for entry in path.read_text("utf-8").replace("\\\n", " ").splitlines() if entry.strip())
    return [one for one in entries if any(one.applies(python) for python in PYTHONS)]


def _parsed(entry: str) -> Locked:
    wanted = Requirement(entry.partition(" --hash")[0])
    (version,) = (only.version for only in wanted.specifier)
    return Locked(canonicalize_name(wanted.name), version, wanted.marker, tuple(_HASH.findall(entry)))


def _linux(python: str, architecture: str) -> dict[str, str]:
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": architecture,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }
