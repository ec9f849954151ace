"""Make a fixture of a version: a site that this version's own code created and filled, on SQLite and on PostgreSQL.

    .venv/dev/bin/python -m tools.make_fixture v0.2.0 tests/fixtures/0.2.0

The version is anything that names a commit. Its code runs from `git archive` with the packages of this environment, so
that they must still suit it. Add the folder's name to VERSIONS in tests/end_to_end/test_older_versions.py.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def program_of(version: str, folder: Path) -> Path:
    """Unpack the code of a version below ``folder``, and return a program that runs its command."""
    archive = subprocess.run(["git", "archive", version, "src"], cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as packed:
        packed.extractall(folder, filter="data")
    program = folder / "bootgrant"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={folder}/src exec {sys.executable} -m bootgrant "$@"\n')
    program.chmod(0o755)
    return program


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        program = program_of(sys.argv[1], Path(place))
        fill = ROOT / "tests/fixtures/fill_site.py"
        subprocess.run([sys.executable, str(fill), str(program), sys.argv[2]], check=True)
