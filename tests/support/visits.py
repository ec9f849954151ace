"""Visits of a rack's pages (support.rack) in Chromium, with the screens of a phone and of a desktop."""

from __future__ import annotations

from playwright.sync_api import Browser, BrowserContext

from support.rack import PUBLIC_URL, SESSION

WEIGHT = """[...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""
SIZES = {"phone": (390, 844), "desk": (1280, 800)}


def entered(browser: Browser, size: str, scheme: str, *, signed_in: bool = True) -> BrowserContext:
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
    )
    if signed_in:
        context.add_cookies([{"name": "bootgrant", "value": SESSION.reveal(), "url": PUBLIC_URL}])
    return context
