"""Our packages for Debian, built as `make deb` builds them, but not compressed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support.debian_root import archive

ROOT = Path(__file__).resolve().parents[2]
EPOCH = "1790000000"


def build_wheel(out: Path, checkout: Path = ROOT) -> Path:
    """Build bootgrant's wheel from a checkout."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=checkout, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH}, check=True)
    (wheel,) = out.glob("*.whl")
    return wheel


def build_packages(release: str, wheel: Path, out: Path, *options: str, checkout: Path = ROOT) -> dict[str, Path]:
    """Build the packages of a release. Return their files by name."""
    archive(release)
    command = [sys.executable, "-m", "tools.deb", release, str(out), "--wheel", str(wheel), "--level", "0", *options]
    done = subprocess.run(command, cwd=checkout, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH}, text=True)
    assert done.returncode == 0
    return {path.name.partition("_")[0]: path for path in sorted(out.glob("*.deb"))}
