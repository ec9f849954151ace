"""Releases that tests build from a clone of the last commit, and the commands of the documentation about them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHORT = ("wheel", "zipapp", "sbom")
_COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def clone(folder: Path) -> Path:
    """Clone the last commit of this repository."""
    subprocess.run(["git", "clone", "--quiet", "--shared", ROOT, folder], check=True)
    return folder


def release(
    source: Path, folder: Path, *words: str, only: Sequence[str] = SHORT, before: Sequence[str] = (), **variables: str
) -> Path:
    """Build a release in a clone; ``before`` is a command that runs the builder, such as faketime."""
    command = [*before, sys.executable, "-m", "tools.release.build", str(folder), *words, "--only", *only]
    _run(command, source, variables)
    return folder


def bundle(source: Path, release: Path, *words: str) -> Path:
    """Make the bundle of a release, and return its file."""
    return Path(_run([sys.executable, "-m", "tools.release.bundle", str(release), *words], source, {}).splitlines()[-1])


def signing_key(folder: Path) -> Path:
    """Make an SSH key that signs."""
    key = folder / "release-key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "release", "-f", key], check=True)
    return key


def commands(page: str, heading: str) -> Sequence[str]:
    """Return the blocks of commands below a heading of a page."""
    text = (ROOT / page).read_text("utf-8")
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"{page} has no heading {heading!r}"
    return _COMMANDS.findall(found[1])


def _run(command: Sequence[str], source: Path, variables: dict[str, str]) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{source}:{source / 'src'}", **variables}
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout
