"""The manual, which is made from the same source as `--help`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bootgrant.cli import SUMMARIES
from bootgrant.cli.install.manual import description, main, pages
from bootgrant.cli.parsing import CommandParser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("man")
    main([str(folder)])
    return folder


def test_every_command_has_a_page(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names == {"bootgrant.1", *(f"bootgrant-{name}.1" for name in SUMMARIES)}


def test_mandoc_finds_nothing_wrong(folder: Path) -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("needs mandoc")
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", *folder.iterdir()], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)


def test_man_shows_a_page_without_a_warning(folder: Path) -> None:
    if shutil.which("man") is None:
        pytest.skip("needs man")
    environ = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "100"}
    words = ["man", "--warnings", "-l", str(folder / "bootgrant-tokens.1")]
    done = subprocess.run(words, capture_output=True, text=True, env=environ)
    assert (done.returncode, done.stderr) == (0, "")
    assert "bootgrant tokens add ci --role approver" in done.stdout
    assert "--for TIME" in done.stdout


def test_the_same_source_and_date_give_the_same_pages() -> None:
    assert pages(0.0) == pages(0.0)
    assert '"1970-01-01"' in pages(0.0)["bootgrant.1"]


def test_no_text_becomes_a_request_of_roff() -> None:
    parser = CommandParser("bootgrant x", description=".so /etc/passwd\n\n'quoted\\fB text\n\n  .example")
    assert list(description(parser.description or "")) == [
        r"\&.so /etc/passwd",
        ".PP",
        r"\(aqquoted\efB text",
        ".PP",
        ".nf",
        ".RS 2",
        r"\&.example",
        ".RE",
        ".fi",
    ]
