"""Accessibility checks with axe-core in Chromium (WCAG 2.2 AA)."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from playwright.sync_api import Page

from support.parts import npm_packages

_LOCKED = Path(__file__).resolve().parent / "accessibility"
_RUN = """async () => {
  const found = await axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
  });
  return found.violations.map((rule) => `${rule.id}: ${rule.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
}"""


@cache
def _script() -> str:
    _, place = npm_packages(_LOCKED)
    return (place / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


def violations(page: Page) -> list[str]:
    """Return what axe finds on the current page: each violated rule with its elements."""
    page.evaluate(_script())
    found: list[str] = page.evaluate(_RUN)
    return found
