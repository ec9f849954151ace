"""The pictures of the documentation. ``make pictures`` writes them to docs/images; otherwise they are only taken."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from support.access_rack import access_rack
from support.browser import ServedApp, chromium
from support.claims_provider import claims_provider
from support.pictures import IMAGES, PHONE, ROOT, Picture, documented, documented_access, save, take
from support.rack import View, rack
from support.site import served

MOST_BYTES = 1_500_000
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


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return IMAGES if os.environ.get("PICTURES") else tmp_path_factory.mktemp("images")


def pages_with_images() -> Iterator[str]:
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        yield from re.findall(r"images/([a-z0-9-]+)\.png", page.read_text("utf-8"))


def test_the_pictures_of_waiting_machines_can_be_taken(tmp_path: Path, folder: Path) -> None:
    with (
        rack(tmp_path) as full,
        ServedApp(full.site.built.public) as app,
        chromium(f"MAP boot.example:8080 127.0.0.1:{app.port}") as browser,
    ):
        app.run(full.fill)
        for picture in documented(full):
            take(browser, picture, folder)
            with Image.open(folder / f"{picture.view.name}.png") as taken:
                assert taken.size == picture.size
                assert len(taken.getcolors() or ()) > 8, "a page, and not a blank one"


def test_the_picture_of_an_empty_queue_can_be_taken(tmp_path: Path, folder: Path) -> None:
    with (
        rack(tmp_path, waiting=False) as empty,
        ServedApp(empty.site.built.public) as app,
        chromium(f"MAP boot.example:8080 127.0.0.1:{app.port}") as browser,
    ):
        app.run(empty.fill)
        take(browser, Picture(View("empty-390", "/"), PHONE), folder)


def test_the_pictures_of_the_access_pages_can_be_taken(tmp_path: Path, folder: Path) -> None:
    with (
        access_rack(tmp_path) as people,
        ServedApp(people.site.built.public) as app,
        chromium(f"MAP boot.example:8080 127.0.0.1:{app.port}") as browser,
    ):
        app.run(people.fill)
        for picture in documented_access(people):
            take(browser, picture, folder)


def test_the_pictures_of_people_without_a_role_can_be_taken(tmp_path: Path, folder: Path) -> None:
    with (
        claims_provider() as provider,
        served(tmp_path, host="localhost", more=_PROVIDER.format(issuer=provider.issuer)) as site,
        chromium() as browser,
    ):
        page = browser.new_page(viewport={"width": PHONE[0], "height": PHONE[1]}, color_scheme="light")
        eve = {"name": "Eve Example", "preferred_username": "eve"}
        for name, claims in (("no-role", {"groups": ["/platform"]}), ("left-out", {"_claim_names": {"groups": "g"}})):
            provider.claims = {**eve, **claims}
            page.goto(f"{site.url}/login/oidc/corp")
            save(page, folder / f"{name}-390.png")


def test_every_picture_of_the_documentation_exists_and_is_small() -> None:
    existing = {path.stem: path.stat().st_size for path in IMAGES.glob("*.png")}
    assert set(pages_with_images()) <= existing.keys()
    assert sum(existing.values()) < MOST_BYTES
