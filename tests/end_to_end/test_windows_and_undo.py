"""Armed windows on the queue, and the undo of what one person approved, in Chromium."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from support.axe import violations
from support.browser import chromium
from support.site import CONFIG, Served, served, wait_until

SIZES = {"phone": (390, 844), "desk": (1280, 800)}
MODEL = """entries:
  - name: worker-1
    match: {serial: SN0001}
    labels: {role: worker}
    layers: [all]
  - name: worker-2
    match: {serial: SN0002}
    labels: {role: worker}
    layers: [all]
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        (running.machines / "all").mkdir(exist_ok=True)
        (running.machines / "all" / "00.yaml").write_text(CONFIG)
        (running.machines / "machines.yaml").write_text(MODEL)
        probe = ("arm", "role=worker", "--for", "1m", "--count", "1", "--name", "probe")
        wait_until(lambda: running.command(*probe).returncode == 0, "the server has read the entries")
        command(running, "disarm", "probe")
        yield running


@pytest.fixture
def browser(site: Served) -> Iterator[Browser]:
    assert site.url, "a site is made before the browser's loop runs"
    with chromium() as running:
        yield running


@contextmanager
def signed_in(browser: Browser, site: Served, size: str, name: str = "", password: str = "") -> Iterator[Page]:
    """Return the queue's page after signing in, by default as the first operator."""
    width, height = SIZES[size]
    with browser.new_context(viewport={"width": width, "height": height}, has_touch=size == "phone") as context:
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.goto(site.url)
        page.get_by_label("Name").fill(name or site.made.operator)
        page.get_by_label("Password").fill(password or site.made.password.reveal())
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="machines").first.wait_for()
        yield page


def command(site: Served, *words: str) -> str:
    done = site.command(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(site: Served, serial: str = "") -> dict[str, str]:
    """Request a configuration, without a serial for a machine that nobody knows."""
    form = {"client_id": "talos", "serial": serial or f"SN{uuid.uuid4().hex[:8]}"}
    codes: dict[str, str] = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False).raise_for_status().json()
    return codes


def fits(page: Page) -> bool:
    """Return whether nothing is wider than the screen."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_a_window_appears_counts_and_is_closed_on_the_queue(site: Served, browser: Browser, size: str) -> None:
    with signed_in(browser, site, size) as page:
        command(site, "arm", "role=worker", "--for", "1h", "--count", "2", "--name", "rack4")
        window = page.locator("[data-window]", has_text="rack4")
        window.get_by_text("2 machines left (0 of 2 approved)").wait_for()
        assert violations(page) == []
        assert fits(page)
        ask(site, "SN0001")
        window.get_by_text("1 machine left (1 of 2 approved)").wait_for()
        window.get_by_text("Close…").click()
        assert violations(page) == []
        button = window.get_by_role("button", name="Close the window rack4")
        button.tap() if size == "phone" else button.click()
        window.wait_for(state="detached")
        assert page.get_by_role("heading", name="Armed windows").count() == 0
    assert command(site, "arm", "--list").strip() == "no windows are open"
    records = [json.loads(line) for line in command(site, "audit", "--kind", "disarmed", "--json").splitlines()]
    assert (records[-1]["actor"], records[-1]["details"]["used"]) == (site.made.operator, 1)


def test_nothing_moves_under_a_hand_that_is_about_to_close_a_window(site: Served, browser: Browser) -> None:
    for name in ("first", "second"):
        command(site, "arm", "role=worker", "--for", "1h", "--count", "2", "--name", name)
    ask(site)
    with signed_in(browser, site, "phone") as page:
        second = page.locator("[data-window]", has_text="second")
        second.get_by_text("Close…").click()
        button = second.get_by_role("button", name="Close the window second")
        button.wait_for()
        place = button.bounding_box()
        command(site, "disarm", "first")
        command(site, "arm", "worker-*", "--for", "1h", "--count", "9", "--name", "third")
        page.locator("[data-window]", has_text="first").get_by_text("no longer open").wait_for()
        page.get_by_role("button", name="1 new").wait_for()
        assert button.bounding_box() == place
        button.tap()
        page.locator("[data-window]", has_text="third").wait_for()
        assert page.locator("[data-window]").count() == 1


def test_an_empty_queue_waits_with_new_machines_until_a_window_is_closed(site: Served, browser: Browser) -> None:
    command(site, "arm", "role=worker", "--for", "1h", "--count", "2", "--name", "rack4")
    with signed_in(browser, site, "phone") as page:
        window = page.locator("[data-window]", has_text="rack4")
        window.get_by_text("Close…").click()
        button = window.get_by_role("button", name="Close the window rack4")
        button.wait_for()
        place = button.bounding_box()
        ask(site, "SN0001")
        window.get_by_text("1 machine left (1 of 2 approved)").wait_for()
        waiting = ask(site)
        command(site, "pending")
        assert button.bounding_box() == place
        button.tap()
        page.get_by_role("heading", name="Waiting machines").wait_for()
        assert waiting["user_code"]


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_what_one_person_approved_is_previewed_and_undone(site: Served, browser: Browser, size: str) -> None:
    password = json.loads(command(site, "operators", "add", "ben", "--role", "approver", "--json"))["password"]
    machine = ask(site, "SN0001")
    with signed_in(browser, site, size, "ben", password) as ben, signed_in(browser, site, size) as ana:
        ben.goto(machine["verification_uri_complete"])
        ben.get_by_label("Last four characters").fill(machine["user_code"][-4:])
        ben.get_by_role("button", name="Approve").click()
        ben.get_by_role("heading", name="Approved").wait_for()

        ana.goto(f"{site.url}/audit?who=ben")
        ana.get_by_role("link", name="Undo approvals").click()
        assert ana.get_by_label("Person").input_value() == "ben"
        ana.get_by_label("Since").fill("1h")
        ana.get_by_role("button", name="Show what can be undone").click()
        ana.get_by_text("The approval will be revoked:").wait_for()
        assert ana.get_by_role("link", name="worker-1").is_visible()
        assert violations(ana) == []
        assert fits(ana)
        ana.get_by_label("End 1 session").check()
        ana.get_by_role("button", name="Undo", exact=True).click()
        ana.get_by_role("heading", name="Undone").wait_for()
        for words in ("1 approval taken back", "Approval revoked:", "Session ended:"):
            assert ana.get_by_text(words).is_visible(), words
        assert violations(ana) == []
        assert fits(ana)
        ben.goto(site.url)
        ben.get_by_role("button", name="Sign in").wait_for()
    denied = httpx2.post(
        f"{site.url}/token",
        data={
            "client_id": "talos",
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": machine["device_code"],
        },
        trust_env=False,
    )
    assert denied.json()["error"] == "access_denied"
