"""The wheel: what it says about itself, how its readme looks on a package index, and that no file is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from email.message import Message
from email.parser import Parser
from html.parser import HTMLParser
from pathlib import Path

import pytest
from readme_renderer import markdown

ROOT = Path(__file__).resolve().parents[2]
HOME = "https://forge.example.org/team/bootgrant"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, as `make wheel PROJECT_URL=…` builds it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    environment = {"PATH": "/usr/bin:/bin", "PROJECT_URL": HOME, "SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def described(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode())


def test_it_names_its_authors_license_pythons_and_addresses(described: Message) -> None:
    assert (described["Author"], described["License-Expression"]) == ("the bootgrant developers", "Apache-2.0")
    assert described["Requires-Python"] == ">=3.11"
    pythons = {name.rpartition(" ")[2] for name in described.get_all("Classifier", []) if "Python :: 3." in name}
    assert pythons == {"3.11", "3.12", "3.13", "3.14"}
    addresses = dict(text.split(", ") for text in described.get_all("Project-URL", []))
    assert set(addresses) == {"Homepage", "Documentation", "Source", "Issues", "Changelog", "Security"}
    assert all(address.startswith(HOME) for address in addresses.values())
    assert set(described.get_all("Provides-Extra", [])) >= {"server", "postgres", "rehearse", "keyring", "all"}


def test_its_readme_has_only_absolute_addresses_of_files_that_exist(described: Message) -> None:
    html = markdown.render(str(described.get_payload()))
    assert html is not None
    places = _Addresses()
    places.feed(html)
    ours = [place.removeprefix(HOME) for place in places.found if place.startswith(HOME)]
    assert len(ours) > 15
    assert all(place.startswith(("https://", "#")) for place in places.found), places.found
    for place in ours:
        kind, tag, path = place.removeprefix("/").split("/", 2)
        assert (ROOT / path).exists(), place
        assert (kind, tag) == ("raw" if path.endswith(".png") else "blob", f"v{described['Version']}")


def test_the_wheel_has_every_file_of_the_clone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
    package = ROOT / "src"
    assert {name for name in inside if not name.startswith("bootgrant/packaging/")} == {
        str(path.relative_to(package))
        for path in (package / "bootgrant").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_installs_the_same_files_as_the_clone(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "wheel")
    by_clone, by_wheel = _installed(ROOT / "src", tmp_path / "1"), _installed(tmp_path / "wheel", tmp_path / "2")
    assert by_clone == by_wheel
    assert len(by_clone) > 60


def _installed(package: Path, system: Path) -> dict[str, tuple[bytes, int]]:
    """The files of every kind of `bootgrant install`, as the package in a folder writes them."""
    program = f"""
from bootgrant.cli import main
from bootgrant.cli.install.kinds import KINDS
for kind in KINDS:
    assert main(["install", kind, "--dest", {str(system)!r}, "--program", "/opt/bootgrant/bin/bootgrant"]) == 0
"""
    environment = {**os.environ, "PYTHONPATH": str(package), "SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run([sys.executable, "-P", "-c", program], env=environment, check=True, capture_output=True)
    files = [path for path in system.rglob("*") if path.is_file()]
    return {str(path.relative_to(system)): (path.read_bytes(), path.stat().st_mode) for path in files}


class _Addresses(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src") and value]
