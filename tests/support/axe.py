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
  const isSmall = async (node) => {
    const element = document.querySelector(node.target[0]);
    element.scrollIntoView({ block: "center" });
    return (await axe.run(element, { runOnly: ["target-size"] })).violations.length > 0;
  };
  for (const rule of found.violations.filter((rule) => rule.id === "target-size")) {
    const small = [];
    for (const node of rule.nodes) if (await isSmall(node)) small.push(node);
    rule.nodes = small;
  }
  return found.violations.filter((rule) => rule.nodes.length)
    .map((rule) => `${rule.id}: ${rule.nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
}"""
"""A target under the sticky decision counts as small only if it still is after scrolling to it."""


@cache
def _script() -> str:
    _, place = npm_packages(_LOCKED)
    return (place / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


def violations(page: Page) -> list[str]:
    """Return what axe finds on the current page: each violated rule with its elements."""
    page.evaluate(_script())
    found: list[str] = page.evaluate(_RUN)
    return found
