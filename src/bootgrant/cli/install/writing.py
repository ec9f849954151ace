"""Writes files below a root. A file in /etc that was changed there is kept, as a package manager does.

How it knows: ``usr/lib/bootgrant/configuration-files.sha256`` has the checksums of what was installed (in the format of
``sha256sum``). A file in /etc that has another checksum was changed, or was never installed by this command.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

RECORD: Final = "usr/lib/bootgrant/configuration-files.sha256"


@dataclass(frozen=True, slots=True)
class Piece:
    """A file. ``place`` is its path below the root."""

    place: str
    content: bytes
    mode: int = 0o644

    @property
    def is_configuration(self) -> bool:
        return self.place.startswith("etc/")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The files by what happened to them."""

    written: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)


def write(pieces: Iterable[Piece], root: Path, *, overwrite: bool) -> Outcome:
    """Write the files below ``root``; with ``overwrite`` also those that were changed there. Raises OSError."""
    outcome = Outcome()
    before = _recorded(root)
    after = dict(before)
    for piece in pieces:
        target = root / piece.place
        present = target.read_bytes() if target.exists() else None
        changed = present is not None and _checksum(present) != before.get(piece.place)
        if present == piece.content and target.stat().st_mode & 0o777 == piece.mode:
            outcome.unchanged.append(target)
        elif piece.is_configuration and changed and present != piece.content and not overwrite:
            outcome.kept.append(target)
            continue
        else:
            _write(target, piece.content, piece.mode)
            outcome.written.append(target)
        if piece.is_configuration:
            after[piece.place] = _checksum(piece.content)
    if after != before:
        lines = (f"{checksum}  {place}\n" for place, checksum in sorted(after.items()))
        _write(root / RECORD, "".join(lines).encode(), 0o644)
    return outcome


def _recorded(root: Path) -> dict[str, str]:
    try:
        lines = (root / RECORD).read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return {place: checksum for checksum, _, place in (line.partition("  ") for line in lines)}


def _checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(target: Path, content: bytes, mode: int) -> None:
    """Write a file so that a crash leaves the old one or the new one. Modes do not depend on the umask."""
    for folder in reversed([parent for parent in target.parents if not parent.exists()]):
        folder.mkdir()
        folder.chmod(0o755)
    part = target.with_name(f".{target.name}.part")
    part.write_bytes(content)
    part.chmod(mode)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
