from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.grants import UUID
from support.site import CONFIG, InProcess, site_in_process


@pytest.fixture
def site(tmp_path: Path) -> Iterator[InProcess]:
    """A site that holds no polls, with a configuration for the machine UUID."""
    with site_in_process(tmp_path, "[grants]", 'hold = "0s"') as in_process:
        (in_process.machines / f"{UUID}.yaml").write_text(CONFIG)
        yield in_process
