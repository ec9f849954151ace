"""The machine's half in one file: its content, that a build is reproducible, and that a bare Python runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bootgrant import __version__
from support.grants import MAC, UUID
from support.site import CONFIG, kernel_parameters, served, wait_until

ROOT = Path(__file__).resolve().parents[2]
BARE = str(Path(sys.executable).resolve())  # the Python that this environment is based on, with nothing installed


def build(root: Path, out: Path, **environment: str) -> Path:
    command = [sys.executable, "-m", "bootgrant.cli.install.zipapp", str(out)]
    found = {**os.environ, "PYTHONPATH": str(root / "src"), **environment}
    subprocess.run(command, check=True, env=found, cwd=out.parent)
    return out


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("zipapp") / "bootgrant-acquire.pyz")


def bare(pyz: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the file on its own, without an environment and without installed packages."""
    command = [BARE, "-I", "-S", pyz.name, *words]
    return subprocess.run(command, cwd=pyz.parent, env={}, capture_output=True, text=True, timeout=60)


def test_only_the_machines_half_and_its_libraries_are_inside(pyz: Path) -> None:
    names = zipfile.ZipFile(pyz).namelist()
    assert {name.partition("/")[0].partition(".")[0] for name in names} == {
        "__main__", "bootgrant", "h11", "segno", "yaml", "licenses",
    }  # fmt: skip
    rooms = {name.split("/")[1].partition(".")[0] for name in names if name.startswith("bootgrant/")}
    assert rooms == {"__init__", "acquire", "cli", "extras", "trust", "wire"}
    assert {name for name in names if name.startswith("bootgrant/cli/") and name.endswith(".py")} == {
        *(f"bootgrant/cli/{name}.py" for name in ("__init__", "acquire", "parsing", "statuses")),
    }  # fmt: skip
    assert {name.rpartition(".")[2] for name in names} == {"py", "pyc", "txt"}


def test_the_same_sources_give_the_same_bytes(pyz: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "another" / "checkout"
    shutil.copytree(ROOT / "src", elsewhere / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "LICENSE", elsewhere)
    again = build(elsewhere, tmp_path / "again.pyz", PYTHONHASHSEED="7", LC_ALL="C", TZ="Asia/Tokyo")
    assert again.read_bytes() == pyz.read_bytes()


def test_the_path_of_the_build_is_not_inside(pyz: Path) -> None:
    archive = zipfile.ZipFile(pyz)
    assert not any(str(ROOT).encode() in archive.read(name) for name in archive.namelist())


def test_a_bare_python_gets_the_configuration(pyz: Path, tmp_path: Path) -> None:
    output, console = tmp_path / "machine.yaml", tmp_path / "console"
    with served(tmp_path) as site, console.open("w+") as screen:
        words = ["--cmdline", kernel_parameters(site.url), "--set", f"uuid={UUID}", "--set", f"mac={MAC}"]
        command = [BARE, "-I", "-S", str(pyz), *words, "--output", str(output), "--expect", "talos"]
        machine = subprocess.Popen(command, cwd=tmp_path, env={}, stderr=screen, stdin=subprocess.DEVNULL)
        try:
            wait_until(lambda: "enter the code" in console.read_text() or machine.poll() is not None, "it asks")
            code = console.read_text().partition("enter the code ")[2].split()[0]
            assert site.command("approve", code).returncode == 0
            assert machine.wait(30) == 0, console.read_text()
        finally:
            machine.kill()
            machine.wait()
    assert output.read_text() == CONFIG
    assert "█▀" in console.read_text()


def test_a_broken_configuration_is_recognised_without_an_installed_yaml(pyz: Path) -> None:
    archive_of_yaml = (
        "import sys; sys.path.insert(0, sys.argv[1]); import yaml; print(yaml.safe_load('a: [1, {b: c}]'))"
    )
    command = [BARE, "-I", "-S", "-c", archive_of_yaml, str(pyz)]
    done = subprocess.run(command, env={}, capture_output=True, text=True, check=True)
    assert done.stdout == "{'a': [1, {'b': 'c'}]}\n"


def test_another_python_version_runs_the_sources(pyz: Path, tmp_path: Path) -> None:
    """Python ignores what another version compiled; here it is removed."""
    bare_sources = tmp_path / "sources.pyz"
    with zipfile.ZipFile(pyz) as archive, zipfile.ZipFile(bare_sources, "w") as copy:
        for name in archive.namelist():
            if not name.endswith(".pyc"):
                copy.writestr(name, archive.read(name))
    done = bare(
        bare_sources, "--explain", "--cmdline", "talos.config=http://127.0.0.1/c?u=${uuid}", "--set", "uuid=u-1"
    )
    assert done.returncode == 0, done.stderr
    assert "u=u-1" in done.stdout


def test_the_first_request_comes_before_any_slow_import(pyz: Path) -> None:
    """Start-up time is mostly imports, so these modules come later or never."""
    words = ["--cmdline", "talos.config=http://127.0.0.1:1/c talos.config.oauth.client_id=x", "--timeout", "100ms"]
    command = [BARE, "-I", "-S", "-X", "importtime", str(pyz), *words]
    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=60)
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "h11" in imported, done.stderr
    heavy = {"asyncio", "email", "http.client", "logging", "segno", "subprocess", "tempfile", "urllib.request", "yaml"}
    assert imported & heavy == set()


@pytest.mark.parametrize("words", [("--help",), ("--explain", "--cmdline", "talos.config=http://127.0.0.1/c")])
def test_it_starts_without_output_on_standard_error(pyz: Path, words: tuple[str, ...]) -> None:
    done = bare(pyz, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_a_failure_ends_with_one_line_and_its_own_exit_status(pyz: Path) -> None:
    done = bare(pyz, "--cmdline", "quiet")
    assert done.returncode == 3
    assert "has no talos.config: add talos.config=" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_it_is_executable(pyz: Path) -> None:
    assert os.access(pyz, os.X_OK)
    done = subprocess.run([str(pyz), "--help"], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("usage: bootgrant acquire")


def test_it_says_its_version(pyz: Path) -> None:
    done = bare(pyz, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"bootgrant {__version__}\n", "")
