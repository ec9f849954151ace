"""The support matrix names tests that are there, and has a row for everything that a release claims to support."""

from __future__ import annotations

import re
from pathlib import Path

from tools.release.lock import PYTHONS

from bootgrant.machines.site.model import TALOS_RELEASES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/support.md").read_text("utf-8")


def test_the_named_tests_are_there() -> None:
    for name in re.findall(r"`(tests/[\w/.]+)`", PAGE):
        assert (ROOT / name).exists(), name


def test_every_supported_python_has_a_row() -> None:
    for python in PYTHONS:
        assert re.search(rf"^\| {re.escape(python)} \| ", PAGE, re.MULTILINE), python


def test_every_talos_release_with_tables_has_a_row() -> None:
    rows = "\n".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| "))
    for release in TALOS_RELEASES:
        assert release in rows, release


def test_the_classifiers_of_the_package_name_the_same_pythons() -> None:
    found = re.findall(r"Programming Language :: Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))
    assert tuple(found) == PYTHONS
