"""A site in process, and people with browsers in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.office import Office
from support.site import site_in_process


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    """Who approves only presses the button."""
    with site_in_process(tmp_path, "[operators]", 'confirm = "button"') as site:
        yield Office(site)


@pytest.fixture
def careful_office(tmp_path: Path) -> Iterator[Office]:
    """Who approves types the last four characters first, as is the default."""
    with site_in_process(tmp_path) as site:
        yield Office(site)
