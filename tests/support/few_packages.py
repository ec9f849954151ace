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
    names = frozenset(_closure(dict.fromkeys(_requirements(*extras))))
    for name in names:
        for file in metadata.files(name) or ():
            top = folder / file.parts[0]
            if file.parts[0] not in ("..", "__pycache__") and not top.exists():
                top.symlink_to(Path(str(metadata.distribution(name).locate_file(file.parts[0]))))
    return FewPackages(folder, names)


def _requirements(*extras: str) -> list[str]:
    lists = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][extra] for extra in extras)]
    return [requirement for each in lists for requirement in each if not requirement.startswith("bootgrant")]


def _closure(requirements: dict[str, None]) -> Iterator[str]:
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
