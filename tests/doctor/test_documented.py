"""Every code of a finding is on the page that explains them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "doctor.md").read_text("utf-8")
FOLDERS = ("doctor", "acquire/cmdline", "providers/examination")
_LEVELS = ("Level", "Grade")
_AFTER_LEVEL = {"_ERROR", "_WARNING", "_NOTE", "_note"}
"""Shorthands that have the level already, so that the code comes first."""


def _codes(tree: ast.AST) -> Iterator[str]:
    """Yield each code: next to a level among the arguments of a call, or the first argument of a shorthand."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        is_short = isinstance(call.func, ast.Name) and call.func.id in _AFTER_LEVEL
        levels = [at for at, given in enumerate(call.args) if _is_level(given)]
        near = [0] if is_short else [at + step for at in levels for step in (-1, 1)]
        for at in near:
            if 0 <= at < len(call.args):
                yield from _text(call.args[at])


def _is_level(given: ast.expr) -> bool:
    return isinstance(given, ast.Attribute) and isinstance(given.value, ast.Name) and given.value.id in _LEVELS


def _text(given: ast.expr) -> Iterator[str]:
    if isinstance(given, ast.Constant) and isinstance(given.value, str) and " " not in given.value and given.value:
        yield given.value
    elif isinstance(given, ast.JoinedStr) and isinstance(last := given.values[-1], ast.Constant):
        # f"{code}-empty" is documented as …-empty.
        yield f"…{last.value!s}"


CODES = sorted(
    {
        code
        for folder in FOLDERS
        for file in (ROOT / "src" / "bootgrant" / folder).glob("*.py")
        for code in _codes(ast.parse(file.read_text("utf-8")))
        if " " not in code
    }
)


def test_the_codes_are_found() -> None:
    assert len(CODES) > 90
    assert {"no-platform", "credentials", "chain", "…-empty", "no-s256", "redirect-uri"} <= set(CODES)


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_documented(code: str) -> None:
    assert f"`{code}`" in PAGE
