"""A Python that finds bootgrant and only the packages of some of its extras, as if nothing else were installed."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@dataclass(frozen=True, slots=True)
class FewPackages:
    """``names`` are the packages below ``folder``."""

    folder: Path
    names: frozenset[str]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a bootgrant command."""
        return self.python("-m", "bootgrant", *words)

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Python."""
        environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{self.folder}", "PYTHONDONTWRITEBYTECODE": "1"}
        # -S: no site-packages.
        command = [sys.executable, "-S", *words]
        return subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=60)


def few_packages(folder: Path, *extras: str) -> FewPackages:
    """Link the packages that an installation with these extras has into a folder."""
    names = packages_of(*extras)
    for name in names:
        for file in metadata.files(name) or ():
            top = folder / file.parts[0]
            if file.parts[0] not in ("..", "__pycache__") and not top.exists():
                top.symlink_to(Path(str(metadata.distribution(name).locate_file(file.parts[0]))))
    return FewPackages(folder, names)


def packages_of(*extras: str) -> frozenset[str]:
    """The names of the packages that an installation with these extras has."""
    return frozenset(_closure([text for extra in ("", *extras) for text in _required(extra)]))


def _required(extra: str) -> Iterator[str]:
    for text in PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]:
        requirement = Requirement(text)
        if requirement.name == "bootgrant":
            for other in requirement.extras:
                yield from _required(other)
        else:
            yield text


def _closure(requirements: list[str]) -> Iterator[str]:
    waiting, seen = [(Requirement(text), "") for text in requirements], set()
    while waiting:
        requirement, extra = waiting.pop()
        if (requirement.marker is None or requirement.marker.evaluate({"extra": extra})) and str(
            requirement
        ) not in seen:
            seen.add(str(requirement))
            yield canonicalize_name(requirement.name)
            needed = [Requirement(text) for text in metadata.requires(requirement.name) or ()]
            waiting += [(one, name) for one in needed for name in ("", *requirement.extras)]
