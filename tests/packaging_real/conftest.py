"""Packages are installed in a Debian made for the purpose, so only `make test-packaging` runs these tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from support.debian_root import DebianRoot, unpacked

collect_ignore_glob = [] if os.environ.get("PACKAGING_TEST") == "1" else ["test_*.py"]


@pytest.fixture(scope="module")
def bookworm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianRoot]:
    """A Debian 12 for the tests of one file."""
    yield from unpacked("bookworm", tmp_path_factory.mktemp("bookworm"))


@pytest.fixture(scope="module")
def trixie(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DebianRoot]:
    """A Debian 13 for the tests of one file."""
    yield from unpacked("trixie", tmp_path_factory.mktemp("trixie"))
