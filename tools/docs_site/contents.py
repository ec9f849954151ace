"""The order of the site. It is that of docs/README.md: a section for each heading, a page for each row of its table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
INDEX: Final = ROOT / "docs" / "README.md"
_HEADING: Final = re.compile(r"^## (.+)$")
_ROW: Final = re.compile(r"^\| (\[.+?) \| (.+?) \|$")
_LINK: Final = re.compile(r"\[[^\]]+\]\(([^)#]+)\)")
_TITLE: Final = re.compile(r"^# (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the site: its file, and what a reader can do after it."""

    file: Path
    purpose: str

    @property
    def title(self) -> str:
        """The first heading, without marks."""
        return title_of(self.file)


@dataclass(frozen=True, slots=True)
class Section:
    """A task, and its pages in the order in which they are read."""

    title: str
    pages: tuple[Page, ...]


def sections(index: Path = INDEX) -> list[Section]:
    """Return the sections of the index."""
    found: list[tuple[str, list[Page]]] = []
    for line in index.read_text("utf-8").splitlines():
        if heading := _HEADING.match(line):
            found.append((heading[1], []))
        elif found and (row := _ROW.match(line)):
            found[-1][1].extend(_pages(index, row[1], row[2]))
    return [Section(title, tuple(pages)) for title, pages in found if pages]


def title_of(file: Path) -> str:
    """Return the first heading of a page, without marks."""
    found = _TITLE.search(file.read_text("utf-8"))
    return found[1].replace("`", "") if found else file.stem


def _pages(index: Path, cell: str, purpose: str) -> Iterator[Page]:
    for target in _LINK.findall(cell):
        yield Page((index.parent / target).resolve(), purpose)
