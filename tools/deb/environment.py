"""The private virtual environment of the server, made where the package installs it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from tools.deb.build_root import BuildRoot

ROOT: Final = Path(__file__).resolve().parents[2]
VENV: Final = "/usr/lib/bootgrant/venv"
_LOCK: Final = ROOT / "requirements/run.txt"
_KEPT: Final = ("bootgrant", "python", "python3")
# Debian ships pip as a wheel, and Python runs a wheel as it is: nothing of pip gets into the environment.
_PIP: Final = 'export PYTHONPATH="$(echo /usr/share/python-wheels/pip-*.whl)"; exec "$0" -m pip -qq "$@"'
_INSTALL: Final = ("install", "--no-compile", "--no-deps", "--no-index", "--find-links", "/build/wheels")


def make_environment(root: BuildRoot, wheel: Path, cache: Path) -> None:
    """Install the locked packages, each with its hash checked, and bootgrant's wheel."""
    root.path("/build").mkdir()
    shutil.copy(_LOCK, root.path("/build/run.txt"))
    shutil.copytree(_wheels(root, cache), root.path("/build/wheels"))
    shutil.copy(wheel, root.path("/build/wheels"))
    root.run("python3", "-m", "venv", "--without-pip", VENV)
    _pip(root, *_INSTALL, "--require-hashes", "-r", "/build/run.txt")
    _pip(root, *_INSTALL, "bootgrant")
    root.path(f"{VENV}/.gitignore").unlink(missing_ok=True)
    _remove_other_programs(root.path(f"{VENV}/bin"))


def _wheels(root: BuildRoot, cache: Path) -> Path:
    """Return the folder with the wheels for this Debian, which are downloaded once for each lock file."""
    complete = cache / "run.txt"
    if not complete.exists() or complete.read_bytes() != _LOCK.read_bytes():
        shutil.rmtree(cache, ignore_errors=True)
        download = ("download", "--no-deps", "--only-binary", ":all:", "--require-hashes", "-d", "/build/download")
        _pip(root, *download, "-r", "/build/run.txt", python="/usr/bin/python3")
        shutil.copytree(root.path("/build/download"), cache)
        shutil.copy(_LOCK, complete)
    return cache


def _pip(root: BuildRoot, *words: str, python: str = f"{VENV}/bin/python") -> None:
    root.run("sh", "-euc", _PIP, python, *words)


def _remove_other_programs(folder: Path) -> None:
    """Keep what runs bootgrant. Its links must work wherever the root of the file system is mounted."""
    for path in folder.iterdir():
        if path.name not in _KEPT:
            path.unlink()
    for path in folder.iterdir():
        if path.is_symlink() and path.readlink().is_absolute():
            target = os.path.relpath(path.readlink(), f"{VENV}/bin")
            path.unlink()
            path.symlink_to(target)
