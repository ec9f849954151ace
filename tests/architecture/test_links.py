"""What a page or a message points to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|src=\"([^\"]+)\"")
_PAGE_IN_TEXT = re.compile(r"\bdocs/[\w./-]+\.md\b")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for written, picture in _LINK.findall(page.read_text("utf-8")):
        target, _, anchor = (written or picture).partition("#")
        if ":" in target:
            continue
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{page.name}: {written or picture}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file), f"{page.name}: {written}"


def test_pages_named_by_messages_and_docstrings_are_there() -> None:
    for file in sorted((ROOT / "src").rglob("*.py")):
        for named in _PAGE_IN_TEXT.findall(file.read_text("utf-8")):
            assert (ROOT / named).exists(), f"{file.relative_to(ROOT)}: {named}"


def anchors(page: Path) -> set[str]:
    """As the usual renderers make them of headings."""
    headings = _HEADING.findall(page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_request_trace_names_modules_that_exist() -> None:
    named = re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", (ROOT / "docs/request_trace.md").read_text("utf-8"))
    modules = [name for name in named if not name.startswith(("admin.", "grants.", "talos."))]
    source = ROOT / "src" / "bootgrant"
    missing = [
        name
        for name in modules
        if not (source / f"{name.replace('.', '/')}.py").exists() and not (source / name.replace(".", "/")).is_dir()
    ]
    assert len(modules) > 30
    assert missing == []
