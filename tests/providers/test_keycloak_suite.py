"""What `make test-providers` promises: nothing runs without it, and nothing is passed over in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.site import clean_environment

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the suite, or a part of it, with nothing but these variables of its own."""
    kept = {name: value for name, value in clean_environment().items() if name not in {"CI", "PROVIDERS_TEST"}}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-rs", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=120, env={**kept, **variables},
    )  # fmt: skip


PART = "tests/providers_real/test_keycloak_sessions.py"


def java(folder: Path, version: str) -> str:
    """Make a program java that says it has this version, and return its folder."""
    folder.mkdir()
    (folder / "java").write_text(f"#!/bin/sh\necho '    java.specification.version = {version}' >&2\n")
    (folder / "java").chmod(0o755)
    return str(folder)


@pytest.fixture
def without_java(tmp_path: Path) -> dict[str, str]:
    """A PATH without programs."""
    return {"PATH": str(tmp_path), "JAVA_HOME": ""}


@pytest.fixture
def without_keycloak(tmp_path: Path) -> dict[str, str]:
    """A Java that is new enough, no Maven, and a cache without Keycloak."""
    return {"PATH": java(tmp_path / "bin", "21"), "JAVA_HOME": "", "BOOTGRANT_TEST_CACHE": str(tmp_path / "cache")}


def test_nothing_of_it_runs_without_its_target() -> None:
    done = run("tests/providers_real")
    assert "no tests ran" in done.stdout
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED


def test_without_java_it_is_skipped_and_the_reason_names_the_package(without_java: dict[str, str]) -> None:
    done = run(PART, PROVIDERS_TEST="1", **without_java)
    assert "java is not installed (apt-get install default-jre-headless)" in done.stdout
    assert done.returncode == 0
    assert "skipped" in done.stdout
    assert "passed" not in done.stdout


def test_in_ci_a_missing_java_is_a_failure(without_java: dict[str, str]) -> None:
    done = run(PART, PROVIDERS_TEST="1", CI="true", **without_java)
    assert "CI must have every part: java is not installed" in done.stdout
    assert done.returncode == pytest.ExitCode.TESTS_FAILED


def test_in_ci_a_missing_keycloak_is_a_failure(without_keycloak: dict[str, str]) -> None:
    done = run(PART, PROVIDERS_TEST="1", CI="true", **without_keycloak)
    assert "CI must have every part: Keycloak is not in" in done.stdout
    assert done.returncode == pytest.ExitCode.TESTS_FAILED


def refused_installation(variables: dict[str, str]) -> str:
    """What the installation writes when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.keycloak.install"],
        cwd=ROOT, capture_output=True, text=True, timeout=60, env={**clean_environment(), **variables},
    )  # fmt: skip
    assert done.returncode == 1
    return done.stderr


def test_the_installation_names_what_is_missing(
    without_java: dict[str, str], without_keycloak: dict[str, str], tmp_path: Path
) -> None:
    assert refused_installation(without_java) == "java is not installed (apt-get install default-jre-headless)\n"
    assert refused_installation(without_keycloak) == "mvn is not installed (apt-get install maven)\n"
    old = {"PATH": java(tmp_path / "old", "11"), "JAVA_HOME": ""}
    assert "is Java 11, and Keycloak needs 17" in refused_installation(old)


def test_an_archive_with_another_checksum_is_not_unpacked(tmp_path: Path) -> None:
    programs = Path(java(tmp_path / "bin", "21"))
    maven = programs / "mvn"
    maven.write_text(
        "#!/bin/sh\nfor word; do case $word in -DoutputDirectory=*) d=${word#*=};; esac; done\n"
        'mkdir -p "$d" && echo another >"$d/keycloak.tar.gz"\n'
    )
    maven.chmod(0o755)
    cache, path = str(tmp_path / "cache"), f"{programs}:{os.environ['PATH']}"
    reason = refused_installation({"PATH": path, "JAVA_HOME": "", "BOOTGRANT_TEST_CACHE": cache})
    assert "Maven fetched a Keycloak with the SHA-256" in reason
    assert not list(tmp_path.glob("cache/*/keycloak"))
