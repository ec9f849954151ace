"""The code of an older version, unpacked from the history of this repository, and sites that it serves.

It runs with the packages of this environment: their ranges are the same as then.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bootgrant.service.commands.init_site import NewSite
from bootgrant.wire.secret import Secret
from support.grants import UUID
from support.site import CONFIG, Served, bootgrant, clean_environment, free_port

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class InstalledCode:
    """A place that programs import bootgrant from, as a virtual environment is; it can be given another version."""

    place: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self.place)}

    def install(self, source: Path) -> None:
        """Put another version in its place, as pip does while the server runs."""
        new = self.place.with_name("next")
        new.symlink_to(source)
        new.replace(self.place)

    def upgrade(self) -> None:
        """Install this version."""
        self.install(ROOT / "src")

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the version that is installed."""
        return subprocess.run(
            bootgrant(*words), capture_output=True, text=True, timeout=60, env={**clean_environment(), **self.variables}
        )


def unpacked(version: str, folder: Path) -> Path:
    """Unpack the source of a version, a commit, or skip the test where the history is not there."""
    target = folder / version
    target.mkdir(parents=True)
    made = subprocess.run(["git", "archive", version, "src"], cwd=ROOT, capture_output=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"this clone does not have the history with version {version}")
    subprocess.run(["tar", "-x", "-C", str(target)], input=made.stdout, check=True)
    return target / "src"


@contextmanager
def served_by(version: str, folder: Path, *init: str) -> Iterator[tuple[Served, InstalledCode]]:
    """A new site that an older version made and serves. ``init`` are more words for its `bootgrant init`."""
    code = InstalledCode(folder / "installed")
    code.install(unpacked(version, folder / "versions"))
    port = free_port()
    place, url = folder / "site", f"http://127.0.0.1:{port}"
    words = ("--public-url", url, "--listen", f"127.0.0.1:{port}", "--operator", "ana", *init)
    made = code.run("init", str(place), *words)
    password = re.search(r"with the password (\S+)", made.stdout)
    assert password, made
    site = Served(
        place,
        NewSite(place / "bootgrant.toml", place / "machines", "ana", Secret(password[1])),
        url=url,
        variables=code.variables,
    )
    (site.machines / f"{UUID}.yaml").write_text(CONFIG)
    site.start()
    try:
        yield site, code
    finally:
        if site.process.poll() is None:
            site.kill()
