"""A run of the tests says what was not tested, and gives the tests that fail a second try, which it names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_CONFTEST = """
from support import ending

def pytest_terminal_summary(terminalreporter):
    ending.report(terminalreporter.stats, terminalreporter)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    (tmp_path / "conftest.py").write_text(_CONFTEST)
    return tmp_path


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_") and name != "CI"}
    return subprocess.run(
        [sys.executable, ROOT / "tools/run_tests.py", "-q", *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": f"{ROOT}/tests:{ROOT}/src", **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_test_that_passes_by_itself_is_named_and_one_that_fails_again_fails_the_run(folder: Path) -> None:
    (folder / "test_some.py").write_text(
        "from pathlib import Path\n"
        "def test_second():\n    once = Path('once')\n    seen = once.exists()\n    once.touch()\n    assert seen\n"
    )
    done = run(folder)
    assert done.returncode == 0
    assert done.stdout.endswith(
        "Failed next to others, and passed by themselves. Each is a fault of the test or of the computer:\n"
        "  test_some.py::test_second\n"
    )
    (folder / "test_never.py").write_text("def test_never():\n    assert False\n")
    (folder / "once").unlink()
    done = run(folder)
    assert done.returncode == 1
    assert "and failed again:\n  test_never.py::test_never\n  test_some.py::test_second" in done.stdout


def test_many_failures_and_broken_files_get_no_second_try(folder: Path) -> None:
    (folder / "test_many.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_no(n):\n    assert False\n"
    )
    done = run(folder)
    assert (done.returncode, "Once more" in done.stdout) == (1, False)
    (folder / "test_many.py").write_text("import nothing_of_that_name\n")
    done = run(folder)
    assert done.returncode == 2
    assert "Once more" not in done.stdout


def test_npm_is_tried_once_in_a_run_and_the_end_lists_what_was_not_tested(folder: Path) -> None:
    needed = folder / f"needed-{os.getpid()}"
    needed.mkdir()
    (needed / "package.json").write_text(json.dumps({"name": "x", "version": "1.0.0", "dependencies": {"y": "1.0.0"}}))
    lock = {
        "lockfileVersion": 3,
        "packages": {"": {"dependencies": {"y": "1.0.0"}}, "node_modules/y": {"version": "1.0.0"}},
    }
    (needed / "package-lock.json").write_text(json.dumps({"name": "x", "version": "1.0.0", **lock}))
    (folder / "test_npm.py").write_text(
        "from pathlib import Path\n"
        "import pytest\n"
        "from support.parts import npm_packages\n"
        "@pytest.mark.parametrize('n', range(3))\n"
        f"def test_npm(n):\n    npm_packages(Path({str(needed)!r}))\n"
    )
    offline = {"npm_config_offline": "true", "npm_config_cache": str(folder / "cache")}
    done = run(folder, **offline)
    assert done.returncode == 0, done.stdout
    [line] = [line for line in done.stdout.splitlines() if line.startswith("3 tests: ")]
    assert "npm could not install the packages of needed-" in line
    [place] = (Path(sys.prefix) / "npm").glob(f"{needed.name}-*")
    tries = list(place.glob("failed-*"))
    assert len(tries) == 1
    run(folder, **offline)
    assert len(list(place.glob("failed-*"))) == 2
    for file in [*place.iterdir()]:
        file.unlink()
    place.rmdir()
