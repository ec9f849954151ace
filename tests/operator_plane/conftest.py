"""A site in process, and people who use its pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.office import Office
from support.site import site_in_process


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """A site on which pressing the button approves."""
    with site_in_process(tmp_path, "[operators]", 'confirm = "button"') as site:
        yield Office(site)


@pytest.fixture
def careful_office(tmp_path: Path) -> Iterator[Office]:
    """A site on which the last four characters must be typed before approving, as by default."""
    with site_in_process(tmp_path) as site:
        yield Office(site)
