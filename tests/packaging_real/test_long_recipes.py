"""Commands of pages that take too long for `make test`, run as a reader copies them (tests/documentation)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.page_session import MAKE_THEIR_OWN, documented_site, run_page
from support.pages import blocks, pages
from support.site import Served

LONG = sorted({block.page for page in pages() for block in blocks(page) if block.is_long})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with documented_site(tmp_path_factory.mktemp("documented")) as made:
        yield made


@pytest.mark.parametrize("page", LONG)
def test_a_page_with_long_commands_works_as_a_whole(page: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    run_page(page, tmp_path, None if page in MAKE_THEIR_OWN else request.getfixturevalue("site"), whole=True)
