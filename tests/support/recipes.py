"""The recipes of docs/providers/: their blocks, copied from the page, with the example's addresses replaced."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_PAGES = Path(__file__).resolve().parents[2] / "docs/providers"
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LEFT = re.compile(r"\w+\.example\.(?:org|com)|…")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One page. ``replaced`` maps the example's addresses and names to those of the test."""

    page: str
    replaced: Mapping[str, str]

    def blocks(self, language: str, heading: str = "") -> list[str]:
        """The blocks of a language under a heading of the page (or on the whole page), ready to use."""
        return [self._filled(content) for _, kind, content in _BLOCK.findall(self._part(heading)) if kind == language]

    def only(self, language: str, heading: str) -> str:
        """The only block of this language under the heading."""
        (block,) = self.blocks(language, heading)
        return block

    def _part(self, heading: str) -> str:
        text = (_PAGES / f"{self.page}.md").read_text("utf-8")
        if not heading:
            return text
        found = re.search(rf"^(#+) {re.escape(heading)}\n(.*?)(?=^#{{1,2}} |\Z)", text, re.MULTILINE | re.DOTALL)
        assert found, f"{self.page}.md has no heading {heading!r}"
        return found[2]

    def _filled(self, block: str) -> str:
        for written, meant in self.replaced.items():
            block = block.replace(written, meant)
        left = _LEFT.findall(re.sub(r"\w+@example\.com", "", block))
        assert not left, f"{self.page}.md: {left} are not replaced in\n{block}"
        return block
