"""The house rules hold, and the checks that hold them would notice."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on a copy of the project, by its own contracts."""
    program = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    return subprocess.run([str(program), "--no-cache"], cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_a_new_top_folder_that_has_no_place_is_noticed(copy: Path) -> None:
    (copy / "src/bootgrant/novelty").mkdir()
    (copy / "src/bootgrant/novelty/__init__.py").touch()
    done = lint_imports(copy)
    assert done.returncode != 0
    assert "novelty" in done.stdout


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("approval/grant.py", "import time"),
        ("wire/identity.py", "import bootgrant.approval.grant"),
        ("acquire/errors.py", "import httpx2"),
        ("workflows/machine/requests.py", "import bootgrant.store.sqlite.grants"),
        ("machine_plane/health.py", "import bootgrant.operator_plane.app"),
        ("asgi/answer.py", "import bootgrant.approval.grant"),
    ],
)
def test_an_import_that_breaks_the_rule_is_noticed(copy: Path, file: str, line: str) -> None:
    path = copy / "src/bootgrant" / file
    path.write_text(f"{path.read_text()}\n{line}  # noqa\n")
    assert lint_imports(copy).returncode != 0


def test_the_house_keeps_its_own_rules(copy: Path) -> None:
    done = lint_imports(copy)
    assert done.returncode == 0, done.stdout


def test_no_type_error_is_silenced_in_the_program() -> None:
    silenced = [path for path in (ROOT / "src").rglob("*.py") if "type: ignore" in path.read_text()]
    assert silenced == []


def test_importing_the_package_costs_nothing() -> None:
    code = "import sys; before = set(sys.modules); import bootgrant; print(len(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_lock_files_name_no_host() -> None:
    locks = [*ROOT.glob("requirements/*.txt"), *ROOT.glob("tests/**/package-lock.json")]
    assert locks
    assert [lock for lock in locks if "://" in lock.read_text() or '"resolved"' in lock.read_text()] == []
