"""`bootgrant login`: a real server, a real command line, and a person in Chromium who approves it."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from bootgrant.operator_plane.wording import text
from support.axe import violations
from support.browser import chromium
from support.login import Computer
from support.site import Served, served

SIZES = {"phone": (390, 844), "desk": (1280, 800)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("login")) as running:
        yield running


@pytest.fixture(scope="module")
def browser(site: Served) -> Iterator[Browser]:
    assert site.url
    with chromium() as running:
        yield running


@contextmanager
def person(browser: Browser, site: Served, size: str) -> Iterator[Page]:
    """A browser that opens the address of the command line, and signs in on the way."""
    width, height = SIZES[size]
    with browser.new_context(viewport={"width": width, "height": height}, has_touch=size == "phone") as context:
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.goto(f"{site.url}/login/device")
        page.get_by_label("Name").fill(site.made.operator)
        page.get_by_label("Password").fill(site.made.password.reveal())
        page.get_by_role("button", name="Sign in").click()
        yield page


@pytest.mark.parametrize("size", list(SIZES))
def test_a_person_logs_in_a_command_line_uses_it_and_logs_out(
    site: Served, browser: Browser, tmp_path: Path, size: str
) -> None:
    laptop = Computer(tmp_path)
    login = laptop.login(site.url, "--role", "approver", "--for", "24h", "--label", "site=fra")
    assert f"\n    {site.url}/login/device\n" in login.shown
    with person(browser, site, size) as page:
        page.get_by_label(text("command_line.label"), exact=True).fill(login.code)
        page.get_by_role("button", name=text("command_line.button")).click()
        page.get_by_role("heading", name=text("command_line.asks_title")).wait_for()
        assert page.get_by_label("Only machines").input_value() == "site=fra"
        page.get_by_role("radio", name="approver").check()
        page.get_by_label(text("command_line.seconds")).select_option("1 day")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_role("button", name=text("command_line.approve")).click()
        page.get_by_role("heading", name=text("command_line.approved_title")).wait_for()
        assert violations(page) == []
    status, out, err = login.finish()
    assert status == 0, err
    assert out.startswith(f"logged in to {site.url} as ana: role approver, site=fra, until ")
    assert stat.S_IMODE(laptop.profiles.stat().st_mode) == 0o600
    assert stat.S_IMODE(laptop.profiles.parent.stat().st_mode) == 0o700
    assert laptop.run("pending").stdout == "no machines waiting\n"
    token = json.loads(laptop.profiles.read_text())["profiles"][site.url.removeprefix("http://")]["token"]
    refused = laptop.run("tokens", "add", "more")
    assert (refused.returncode, "role admin" in refused.stderr) == (1, True)
    done = laptop.run("logout")
    assert (done.returncode, done.stdout) == (0, f"logged out of {site.url}: its token is revoked\n")
    (tmp_path / "kept").write_text(token)
    again = laptop.run("pending", "--server", site.url, "--token-file", "kept")
    assert "unknown, revoked or expired" in again.stderr
    assert json.loads(laptop.run("profiles", "--json").stdout) == {"profiles": []}


def test_a_person_denies_a_login(site: Served, browser: Browser, tmp_path: Path) -> None:
    laptop = Computer(tmp_path)
    login = laptop.login(site.url)
    with person(browser, site, "phone") as page:
        page.get_by_label(text("command_line.label"), exact=True).fill(login.code)
        page.keyboard.press("Enter")
        page.get_by_role("button", name=text("command_line.deny")).click()
        page.get_by_role("heading", name=text("command_line.denied_title")).wait_for()
        assert violations(page) == []
    status, out, err = login.finish()
    assert (status, out) == (1, "")
    assert err.endswith("bootgrant: the login was denied in the browser\n")
    assert not laptop.profiles.exists()
