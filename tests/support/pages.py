"""The blocks of the documentation, and what each says about being run.

A comment on the line before a block, which renderers hide, says what happens to it::

    <!-- run -->                     the tests run it, in order with the others of its page
    <!-- run: in the background -->  the same, without waiting for its end
    <!-- run: in test-packaging -->  the same, but only there, because it takes long
    <!-- tested: FILE -->            this test copies or repeats it
    <!-- not run: REASON -->         why not

At the top of a page, ``<!-- blocks tested: FILE -->`` says the fourth of all its blocks that say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
_BLOCK: Final = re.compile(
    r"^(?P<gap> *)```(?P<language>[\w+-]*)\n(?P<text>.*?)^(?P=gap)```$", re.MULTILINE | re.DOTALL
)
_MARK: Final = re.compile(r"<!-- (run|tested|not run)(?:: ([^\n]+?))? -->\n\Z")
_PAGE_MARK: Final = re.compile(r"^<!-- blocks tested: (\S+) -->$", re.MULTILINE)
COMMANDS: Final = frozenset({"sh", "console", "bash", "shell"})
PLAIN: Final = frozenset({"text", "mermaid"})
"""Nothing in them can be checked: output, kernel parameters (tests/loaders), diagrams."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a page. ``mark`` is run, tested, not run, or empty; ``more`` what the mark adds."""

    page: str
    line: int
    language: str
    text: str
    mark: str
    more: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_run(self) -> bool:
        return self.mark == "run"

    @property
    def is_long(self) -> bool:
        return self.more == "in test-packaging"

    @property
    def commands(self) -> str:
        """The commands: of a session in a terminal, those after a prompt."""
        if self.language != "console":
            return self.text
        kept, more = [], False
        for line in self.text.splitlines():
            if line.startswith(("$ ", "# ")) or more:
                kept.append(line if more else line[2:])
                more = line.endswith("\\")
        return "\n".join(kept) + "\n"


def pages() -> list[str]:
    """The names of all pages: README, documentation, examples."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    return sorted(path.relative_to(ROOT).as_posix() for path in (*found, *(ROOT / "examples").rglob("*.md")))


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a page in order."""
    text = (ROOT / page).read_text("utf-8")
    whole = _PAGE_MARK.search(text)
    for found in _BLOCK.finditer(text):
        mark = _MARK.search(text[: found.start()])
        gap = found["gap"]
        body = "".join(line.removeprefix(gap) for line in found["text"].splitlines(keepends=True))
        line = text.count("\n", 0, found.start()) + 1
        what, more = (mark[1], mark[2] or "") if mark else ("tested", whole[1]) if whole else ("", "")
        yield Block(page, line, found["language"], body, what, more)
