"""The security pages name real tests, and the table about BCP 247 is complete."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs/security").glob("*.md"))
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_RULE = re.compile(r"-{3,}")


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return the names of the test functions of a file."""
    tree = ast.parse(path.read_text("utf-8"))
    functions = (node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def rows(page: Path) -> list[dict[str, str]]:
    """Return the rows of all tables of a page, each by the names of its columns."""
    found: list[dict[str, str]] = []
    names: list[str] = []
    for line in page.read_text("utf-8").splitlines():
        if not line.startswith("|"):
            names = []
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not names:
            names = cells
        elif not all(_RULE.fullmatch(cell) for cell in cells):
            found.append(dict(zip(names, cells, strict=True)))
    return found


def test_there_are_the_pages_that_are_checked_here() -> None:
    assert {page.name for page in PAGES} >= {"bcp247.md", "threat-model.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_security_page_names_exists(page: Path) -> None:
    named = _TEST.findall(page.read_text("utf-8"))
    assert len(named) > 20
    missing = [f"{path}::{name}" for path, name in named if not is_a_test(ROOT / path, name)]
    assert missing == []


def is_a_test(path: Path, name: str) -> bool:
    return path.is_file() and name in names_in(path)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_measure_has_a_test_or_says_that_it_has_none(page: Path) -> None:
    with_tests = [row for row in rows(page) if "test" in row]
    assert len(with_tests) > 10
    for row in with_tests:
        assert _TEST.search(row["test"]) or row["test"] == "none", row
        assert row["test"] != "none" or row["what is left"], row


def test_the_table_about_bcp_247_has_its_17_mitigations_in_their_order() -> None:
    numbers = [row["section"] for row in rows(ROOT / "docs/security/bcp247.md") if "mitigation" in row]
    assert numbers == [f"6.1.{number}" for number in range(1, 18)]


def test_the_sections_of_rfc_8628_are_complete() -> None:
    numbers = [row["RFC 8628"] for row in rows(ROOT / "docs/security/bcp247.md") if "RFC 8628" in row]
    assert [number.split()[0] for number in numbers] == [f"5.{number}" for number in range(1, 8)]
