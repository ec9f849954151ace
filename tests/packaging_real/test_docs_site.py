"""`make docs`: the site is whole, loads nothing from elsewhere, and works from a web server and from the disk."""

from __future__ import annotations

import functools
import http.server
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from support.browser import chromium

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 300_000
"""Bytes of one page with everything that it loads, without pictures of the program."""


@pytest.fixture(scope="module")
def site() -> Path:
    done = subprocess.run(["make", "docs"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "dist" / "docs"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Where a plain web server has the site."""
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the name in the standard library)
        pass


@contextmanager
def opened(browser: Browser) -> Iterator[tuple[Page, list[str], list[str]]]:
    """A page, the addresses that it requests, and its errors."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    requested: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page, requested, errors
    context.close()


def test_no_page_requests_anything_from_elsewhere(site: Path, address: str, browser: Browser) -> None:
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    assert len(pages) > 60
    with opened(browser) as (page, requested, errors):
        for name in pages:
            page.goto(f"{address}/{name}", wait_until="load")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, f"{name} is wider than a phone"
        assert errors == []
        assert [url for url in requested if not url.startswith((address, "data:"))] == []


@pytest.mark.parametrize("is_file", [False, True], ids=["from a web server", "from the disk"])
def test_search_finds_a_page(*, is_file: bool, site: Path, address: str, browser: Browser) -> None:
    base = site.as_uri() if is_file else address
    with opened(browser) as (page, requested, errors):
        page.goto(f"{base}/search.html?q=troubleshooting")
        page.wait_for_selector("#search-results li a")
        assert any("troubleshooting.html" in (link.get_attribute("href") or "") for link in page.locator("a").all())
        assert errors == []
        assert all(url.startswith((base, "data:")) for url in requested)


def test_a_page_is_light(address: str, browser: Browser) -> None:
    weights: list[int] = []
    with opened(browser) as (page, _, _):
        page.on("response", lambda response: weights.append(len(response.body())))
        page.goto(f"{address}/start.html", wait_until="networkidle")
    assert sum(weights) < LARGEST, f"start.html and what it loads have {sum(weights):,} bytes"


def test_programs_find_the_markdown_of_every_page(site: Path) -> None:
    listed = re.findall(r"\]\(([^)]+)\)", (site / "llms.txt").read_text("utf-8"))
    assert len(listed) > 40
    for name in listed:
        text = (site / name).read_text("utf-8")
        assert "\n# " in f"\n{text}"
        for link in re.findall(r"\]\(([^):#\s]+\.md)[)#]", text):
            assert (site / name).parent.joinpath(link).exists(), f"{name}: {link}"
    for page in site.rglob("*.html"):
        assert page.name in ("search.html", "genindex.html") or page.with_suffix(".md").exists(), page


def test_it_has_dark_colors(address: str, browser: Browser) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(f"{address}/index.html")
    red, green, blue = map(
        int, re.findall(r"\d+", page.evaluate("getComputedStyle(document.body).backgroundColor"))[:3]
    )
    assert max(red, green, blue) < 60
    context.close()


def test_no_stylesheet_names_another_host(site: Path) -> None:
    for sheet in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet.read_text("utf-8")) == []
