"""The settings of where machine configurations come from and how they are made: ``git``, ``secrets``, ``composer``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMPOSERS = ("bootgrant", "talosctl")


@dataclass(frozen=True, slots=True)
class GitSettings:
    """A repository instead of a folder. ``folder`` is inside of it; times are seconds."""

    url: str
    branch: str
    folder: str
    interval: float
    signers_file: Path | None
    webhook_secret_file: Path | None


@dataclass(frozen=True, slots=True)
class MachineSettings:
    """``git`` is None for the folder ``machines``."""

    composer: str = "bootgrant"
    schema_file: Path | None = None
    git: GitSettings | None = None
    age_identity_file: Path | None = None
    age_identity_command: tuple[str, ...] = ()
    exec_programs: tuple[Path, ...] = field(default_factory=tuple)
    exec_seconds: float = 10.0


def machine_settings(parsed: Mapping[str, Any]) -> MachineSettings:
    """Raises ValueError, with the key."""
    if parsed["composer"] not in COMPOSERS:
        raise ValueError(f"composer: {parsed['composer']!r} is neither of {', '.join(COMPOSERS)}")
    programs = tuple(Path(text) for text in parsed["secrets.exec_programs"])
    if relative := [program for program in programs if not program.is_absolute()]:
        raise ValueError(f"secrets.exec_programs: {relative[0]} is no whole path; write /usr/local/bin/…")
    if parsed["secrets.age_identity_file"] and parsed["secrets.age_identity_command"]:
        raise ValueError("secrets.age_identity_file and secrets.age_identity_command: set one of them")
    return MachineSettings(
        composer=parsed["composer"],
        schema_file=parsed["schema_file"],
        git=_git(parsed),
        age_identity_file=parsed["secrets.age_identity_file"],
        age_identity_command=tuple(parsed["secrets.age_identity_command"]),
        exec_programs=programs,
        exec_seconds=parsed["secrets.exec_time_limit"],
    )


def _git(parsed: Mapping[str, Any]) -> GitSettings | None:
    if not parsed["git.url"]:
        return None
    branch = parsed["git.branch"] or "main"
    if parsed["git.url"].startswith("-") or branch.startswith("-"):
        raise ValueError("git.url and git.branch do not begin with a dash")
    return GitSettings(
        url=parsed["git.url"],
        branch=branch,
        folder=(parsed["git.folder"] or "").strip("/"),
        interval=parsed["git.fetch_interval"],
        signers_file=parsed["git.signers_file"],
        webhook_secret_file=parsed["git.webhook_secret_file"],
    )
