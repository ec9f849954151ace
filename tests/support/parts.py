"""Parts that a test needs and that are not Python: a missing one skips the test, and in CI fails it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[3] / "shared"


def _missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have every part: {reason}")
    pytest.skip(reason)


def program(name: str, package: str) -> Path:
    """The path of an executable that the Debian package ``package`` brings (tests/debian-packages.txt)."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        _missing(f"{name} is not installed (apt-get install {package})")
    assert found is not None
    return Path(found)


def installed_file(path: Path, package: str) -> Path:
    """A file that the Debian package ``package`` brings (tests/debian-packages.txt)."""
    if not path.exists():
        _missing(f"{path} is not here (apt-get install {package})")
    return path


def shared_data(relative: str) -> Path:
    """Talos's own data, which is not part of this repository (a user's clone does without)."""
    path = SHARED / relative
    if not path.exists():
        _missing(f"{path} is not here: these are data of the Talos project, kept beside the repository")
    return path
