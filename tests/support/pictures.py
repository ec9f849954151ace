"""The pictures of the documentation: which pages they show, and how a page becomes a small file.

The clock and the codes are fixed, so a new run changes a picture only if its page has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page

from support.access_rack import AccessRack, access_views
from support.grants import NOW
from support.rack import Rack, View, views

ROOT: Final = Path(__file__).resolve().parents[2]
IMAGES: Final = ROOT / "docs" / "images"
PHONE, DESK = (390, 844), (1280, 720)
COLOURS: Final = 128


class Picture(NamedTuple):
    """A view at a size; the view's name is that of the file."""

    view: View
    size: tuple[int, int]
    scheme: str = "light"


def documented(site: Rack) -> Iterator[Picture]:
    """Yield the pictures of a site where machines are waiting."""
    card = f"/requests/{site.grants['cp-1']}"
    for size in (PHONE, DESK):
        width = size[0]
        yield Picture(View(f"queue-{width}", "/"), size)
        yield Picture(View(f"approve-{width}", card), size)
        yield Picture(View(f"audit-{width}", "/audit", as_admin=True), size)
        yield Picture(View(f"refused-{width}", "/audit/refused", as_admin=True), size)
        yield Picture(View(f"settings-{width}", "/settings", as_admin=True), size)
    yield Picture(View("suspicious-390", f"/requests/{site.grants['rival']}"), PHONE)
    yield Picture(View("deny-390", card, "text=Deny…"), PHONE)
    yield Picture(View("delivered-390", f"/requests/{site.grants['delivered']}"), PHONE)
    yield Picture(View("machines-1280", "/machines"), DESK)
    yield Picture(View("machine-390", "/machines/worker-17"), PHONE)
    yield Picture(View("error-390", "/requests/feed"), PHONE)
    yield Picture(View("menu-390", "/", "details.more summary"), PHONE)
    yield Picture(View("dark-390", card), PHONE, "dark")
    for view in views(site):
        if view.name in _OTHERS:
            yield Picture(replace(view, name=f"{view.name}-390"), PHONE)


_OTHERS: Final = ("login", "batch", "device", "configuration", "account", "token-new", "login-asks", "undo")
_OF_ACCESS: Final = (
    "access", "operators", "operator", "operator-add", "operator-disable", "tokens", "window", "window-new",
    "window-force", "rules", "providers",
)  # fmt: skip


def documented_access(site: AccessRack) -> Iterator[Picture]:
    """Yield the pictures of the Access pages."""
    for view in access_views(site):
        if view.name in _OF_ACCESS:
            yield Picture(replace(view, name=f"{view.name}-390"), PHONE)


def take(browser: Browser, picture: Picture, folder: Path, *, whole: bool = False) -> None:
    """Open a view in a browser of its size and take its picture; ``whole`` includes what is below the fold."""
    width, height = picture.size
    with browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if picture.scheme == "dark" else "light",
        timezone_id="Etc/UTC",
    ) as context:
        context.clock.set_fixed_time(datetime.fromtimestamp(NOW + 60, UTC))
        page = context.new_page()
        picture.view.open(page)
        save(page, folder / f"{picture.view.name}.png", whole=whole)


def save(page: Page, path: Path, *, whole: bool = False) -> None:
    """Take a picture with few colours, which is a third of the size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, full_page=whole)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
