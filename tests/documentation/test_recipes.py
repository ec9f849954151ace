"""What pages tell a reader to type works: the blocks of each page are run in order, in a new folder."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.page_session import MAKE_THEIR_OWN, documented_site, run_page
from support.pages import COMMANDS, PLAIN, ROOT, Block, blocks, pages
from support.site import Served

ALL = [block for page in pages() for block in blocks(page)]
RUN = sorted({block.page for block in ALL if block.is_run and not block.is_long and block.language in COMMANDS})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with documented_site(tmp_path_factory.mktemp("documented")) as made:
        yield made


@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_work_when_they_are_copied(
    page: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    run_page(page, tmp_path, None if page in MAKE_THEIR_OWN else request.getfixturevalue("site"))


@pytest.mark.parametrize("block", ALL, ids=str)
def test_every_block_is_run_or_says_why_not(block: Block) -> None:
    assert block.language, f"{block} names no language: write sh, console, text, …"
    match block.mark:
        case "tested":
            assert (ROOT / block.more).exists(), f"{block}: {block.more} is not there"
        case "run":
            assert block.more in ("", "in the background", "in test-packaging")
        case "not run":
            assert block.more, f"{block}: say why it is not run"
        case _:
            assert block.language not in COMMANDS, f"{block}: write <!-- run --> or <!-- not run: REASON --> before it"
            assert block.language in PLAIN or _reads(block)


def _reads(block: Block) -> bool:
    """Whether settings, entries and programs in a block can be read. An ellipsis leaves something out."""
    if "…" in block.text:
        return True
    match block.language:
        case "toml":
            tomllib.loads(block.text)
        case "yaml":
            list(yaml.safe_load_all(block.text))
        case "json":
            json.loads(block.text)
        case "python":
            compile(block.text, str(block), "exec")
        case _:
            pytest.fail(f"{block}: nothing checks {block.language}")
    return True


@pytest.mark.parametrize("block", [each for each in ALL if each.is_run and each.language == "python"], ids=str)
def test_programs_of_a_page_run(block: Block) -> None:
    done = subprocess.run([sys.executable, "-c", block.text], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
