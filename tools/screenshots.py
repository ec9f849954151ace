"""Take the screenshots of the documentation: ``.venv/dev/bin/python tools/screenshots.py [--all FOLDER]``.

The clock and the codes are fixed, so a new run changes an image only if a page changed. ``--all`` takes every page in
every state, light and dark, for review.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.browser import ServedApp, chromium  # noqa: E402
from support.claims_provider import claims_provider  # noqa: E402
from support.rack import Rack, View, rack, views  # noqa: E402
from support.site import served  # noqa: E402

PHONE, DESK = (390, 844), (1280, 720)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="take every page, light and dark, into this folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, rack(Path(folder)) as full, _browser(full) as browser:
        if args.all:
            _all(browser, full, args.all)
        else:
            _documentation(browser, full, ROOT / "docs" / "images")
    with (
        tempfile.TemporaryDirectory() as folder,
        rack(Path(folder), waiting=False) as empty,
        _browser(empty) as browser,
    ):
        if args.all:
            for scheme in ("light", "dark"):
                for size in (PHONE, DESK):
                    _take(browser, View("queue-empty", "/"), size, scheme, args.all / scheme / str(size[0]), whole=True)
        else:
            _take(browser, View("empty-390", "/"), PHONE, "light", ROOT / "docs" / "images", whole=False)
    if not args.all:
        _without_a_role(ROOT / "docs" / "images")


_PROVIDER = """
[[oidc]]
id = "corp"
label = "Corp SSO"
issuer = "{issuer}"
client_id = "pages"
[[oidc.roles]]
group = "platform"
role = "admin"
"""


def _without_a_role(folder: Path) -> None:
    """Take what a person sees who has no role, and whose claims were left out."""
    with (
        tempfile.TemporaryDirectory() as place,
        claims_provider() as provider,
        served(Path(place), host="localhost", more=_PROVIDER.format(issuer=provider.issuer)) as site,
        chromium() as browser,
    ):
        page = browser.new_page(viewport={"width": PHONE[0], "height": PHONE[1]}, color_scheme="light")
        eve = {"name": "Eve Example", "preferred_username": "eve"}
        for name, claims in (("no-role", {"groups": ["/platform"]}), ("left-out", {"_claim_names": {"groups": "g"}})):
            provider.claims = {**eve, **claims}
            page.goto(f"{site.url}/login/oidc/corp")
            _save(page, folder / f"{name}-390.png", whole=False)


@contextmanager
def _browser(site: Rack) -> Iterator[Browser]:
    with (
        ServedApp(site.site.built.public) as app,
        chromium(f"MAP boot.example:8080 127.0.0.1:{app.port}") as browser,
    ):
        app.run(site.fill)
        yield browser


def _documentation(browser: Browser, site: Rack, folder: Path) -> None:
    card = f"/requests/{site.grants['cp-1']}"
    for size in (PHONE, DESK):
        for view in (View("queue", "/"), View("approve", card)):
            _take(browser, _named(view, size), size, "light", folder, whole=False)
    _take(browser, View("suspicious-390", f"/requests/{site.grants['rival']}"), PHONE, "light", folder, whole=False)
    _take(browser, View("deny-390", card, "text=Deny…"), PHONE, "light", folder, whole=False)
    _take(browser, View("delivered-390", f"/requests/{site.grants['delivered']}"), PHONE, "light", folder, whole=False)
    _take(browser, View("machines-1280", "/machines"), DESK, "light", folder, whole=False)
    _take(browser, View("machine-390", "/machines/worker-17"), PHONE, "light", folder, whole=False)
    _take(browser, View("error-390", "/requests/feed"), PHONE, "light", folder, whole=False)
    _take(browser, View("dark-390", card), PHONE, "dark", folder, whole=False)
    for size in (PHONE, DESK):
        refused = View(f"refused-{size[0]}", "/audit/refused", as_admin=True)
        _take(browser, refused, size, "light", folder, whole=False)


def _named(view: View, size: tuple[int, int]) -> View:
    return View(f"{view.name}-{size[0]}", view.path, view.click)


def _all(browser: Browser, site: Rack, folder: Path) -> None:
    for scheme in ("light", "dark"):
        for size in (PHONE, DESK):
            for view in views(site):
                _take(browser, view, size, scheme, folder / scheme / str(size[0]), whole=True)


def _take(browser: Browser, view: View, size: tuple[int, int], scheme: str, folder: Path, *, whole: bool) -> None:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if scheme == "dark" else "light"
    )
    _shoot(context.new_page(), view, folder, whole=whole)
    context.close()


def _shoot(page: Page, view: View, folder: Path, *, whole: bool) -> None:
    view.open(page)
    folder.mkdir(parents=True, exist_ok=True)
    _save(page, folder / f"{view.name}.png", whole=whole)


def _save(page: Page, path: Path, *, whole: bool) -> None:
    page.screenshot(path=path, full_page=whole)
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
