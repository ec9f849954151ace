"""One thing known, or not known, about this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_LONGEST = 4096


@dataclass(frozen=True, slots=True)
class Fact:
    """A variable, its value (never empty) and where it was found: a path, a kernel parameter or ``--set``."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Absent:
    """A variable that this machine does not have, and why, for ``--explain``."""

    name: str
    reason: str


def read_small(path: Path, limit: int = _LONGEST) -> str:
    """The text of a small file such as those of /sys, without the white space around it. Raises OSError."""
    with path.open("rb") as file:
        return file.read(limit).decode("utf-8", "surrogateescape").strip("\0 \t\r\n")
