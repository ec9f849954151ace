"""Every tree in examples/ is checked as its README says, and those of other tools are what the import makes of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bootgrant.cli import main

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TREES = sorted(path.parent.name for path in EXAMPLES.glob("*/machines"))
IMPORTED = ("topf", "talhelper")


def in_clear(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder that are not encrypted, by path."""
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".age")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_the_six_layouts_are_there() -> None:
    assert TREES == ["fra", "omni", "talhelper", "talosctl", "terraform", "topf"]


@pytest.mark.parametrize("tree", TREES)
def test_a_tree_is_clean_without_any_warning(tree: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["check", "--strict", "--machines", str(EXAMPLES / tree / "machines")]
    status = main([*words, "--age-identity-file", str(EXAMPLES / "demo-identity.txt")])
    printed = capsys.readouterr().out
    assert status == 0, printed
    assert "no errors, no warnings" in printed


@pytest.mark.parametrize("tree", TREES)
def test_the_readme_names_files_that_are_there(tree: str) -> None:
    text = (EXAMPLES / tree / "README.md").read_text()
    named = re.findall(r"(?:--machines|--age-identity-file|import \w+) (examples/\S+)", text)
    assert f"examples/{tree}/machines" in named
    assert all((EXAMPLES.parent / path).exists() for path in named)


@pytest.mark.parametrize("tool", IMPORTED)
def test_an_import_makes_the_tree_next_to_the_project(
    tool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The secrets of the project are for sops; tests/oracle imports them too."""
    assert main(["import", tool, str(EXAMPLES / tool / "project"), str(tmp_path / "machines")]) == 0
    assert in_clear(tmp_path / "machines") == in_clear(EXAMPLES / tool / "machines")
    assert "not carried over: repeat with --recipient" in capsys.readouterr().out
