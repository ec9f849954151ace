"""The Access pages in Chromium, on a phone and at a desk: operators, an armed window, and tokens."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

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
    labels: {role: spare}
    layers: [all]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("site")) as running:
        (running.machines / "all").mkdir(exist_ok=True)
        (running.machines / "all" / "00.yaml").write_text(CONFIG)
        (running.machines / "machines.yaml").write_text(MODEL)
        probe = ("arm", "role=worker", "--for", "1m", "--count", "1", "--name", "probe")
        wait_until(lambda: running.command(*probe).returncode == 0, "the server has read the entries")
        command(running, "disarm", "probe")
        yield running


@pytest.fixture(scope="module")
def browser(site: Served) -> Iterator[Browser]:
    assert site.url, "a site is made before the browser's loop runs"
    with chromium() as running:
        yield running


@contextmanager
def signed_in(browser: Browser, site: Served, size: str, name: str = "", password: str = "") -> Iterator[Page]:
    """Return a page after signing in, by default as the first operator."""
    width, height = SIZES[size]
    with browser.new_context(viewport={"width": width, "height": height}, has_touch=size == "phone") as context:
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.goto(f"{site.url}/access")
        page.get_by_label("Name").fill(name or site.made.operator)
        page.get_by_label("Password").fill(password or site.made.password.reveal())
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Access").wait_for()
        yield page


def command(site: Served, *words: str) -> str:
    done = site.command(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def ask(site: Served, serial: str) -> dict[str, str]:
    """Request a configuration."""
    form = {"client_id": "talos", "serial": serial}
    codes: dict[str, str] = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False).raise_for_status().json()
    return codes


def look(page: Page) -> None:
    """Check that the page is accessible and that nothing is wider than the screen."""
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_an_operator_is_added_approves_and_is_disabled(site: Served, browser: Browser, size: str) -> None:
    name = f"ben-{size}"
    with signed_in(browser, site, size) as ana:
        ana.get_by_role("link", name="Operators").click()
        ana.get_by_role("link", name="Add an operator").click()
        ana.get_by_label("Name", exact=True).fill(name)
        ana.get_by_label("approver", exact=False).check()
        ana.get_by_role("button", name="Add the operator").click()
        ana.get_by_role("heading", name=f"{name} was added").wait_for()
        look(ana)
        password = ana.get_by_label(f"Password of {name}", exact=True).input_value()
        assert password not in ana.url

        with signed_in(browser, site, size, name, password) as ben:
            assert ben.get_by_role("link", name="Operators").count() == 0
            machine = ask(site, "SN0002")
            ben.goto(machine["verification_uri_complete"])
            ben.get_by_label("Last four characters").fill(machine["user_code"][-4:])
            ben.get_by_role("button", name="Approve").click()
            ben.get_by_role("heading", name="Approved").wait_for()

            ana.get_by_role("link", name="I have passed it on").click()
            ana.get_by_role("link", name="Disable…").click()
            ana.get_by_text("1 undelivered approval becomes void:").wait_for()
            assert ana.get_by_role("link", name="worker-2").is_visible()
            look(ana)
            ana.get_by_role("button", name=f"Disable {name}").click()
            ana.get_by_text(f"{name} is disabled. 1 undelivered approval became void.").wait_for()
            look(ana)
            ben.goto(site.url)
            ben.get_by_role("button", name="Sign in").wait_for()
    form = {"client_id": "talos", "device_code": machine["device_code"]}
    grant_type = "urn:ietf:params:oauth:grant-type:device_code"
    answer = httpx2.post(f"{site.url}/token", data={**form, "grant_type": grant_type}, trust_env=False)
    assert answer.json()["error"] in ("access_denied", "expired_token")


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_a_window_is_armed_approves_a_machine_and_is_closed(site: Served, browser: Browser, size: str) -> None:
    with signed_in(browser, site, size) as page:
        page.get_by_role("link", name="Armed windows").click()
        page.get_by_role("link", name="Arm a window").click()
        page.get_by_label("Which machines").fill("rol=worker")
        page.get_by_label("How many machines").fill("2")
        page.get_by_label("Name in the audit").fill(f"rack-{size}")
        page.get_by_role("button", name="Arm the window").click()
        page.get_by_text('No entry has a label "rol"').wait_for()
        assert page.get_by_label("Arm it anyway").is_visible()
        look(page)
        page.get_by_label("Which machines").fill("role=worker")
        page.get_by_role("button", name="Arm the window").click()
        page.get_by_role("heading", name=f"rack-{size}").wait_for()
        page.get_by_text("0 of 2 approved").wait_for()
        ask(site, "SN0001")

        def has_approved() -> bool:
            page.reload()
            return page.get_by_role("link", name="worker-1").count() == 1

        wait_until(has_approved, "the window has approved the machine")
        assert page.get_by_text("1 of 2 approved").is_visible()
        look(page)
        page.get_by_text("Close…").click()
        page.get_by_role("button", name=f"Close the window rack-{size}").click()
        page.get_by_text("ended: closed by").wait_for()
        assert page.get_by_role("link", name="worker-1").is_visible()
    assert command(site, "arm", "--list").strip() == "no windows are open"


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_a_token_is_created_for_a_program_and_revoked(site: Served, browser: Browser, size: str) -> None:
    name = f"ci-{uuid.uuid4().hex[:6]}"
    with signed_in(browser, site, size) as page:
        page.get_by_role("link", name="API tokens").first.click()
        page.get_by_role("link", name="Create one that belongs to nobody").click()
        assert page.get_by_label("Role").input_value() == "viewer"
        page.get_by_label("Name of the token").fill(name)
        page.get_by_role("button", name="Create the token").click()
        token = page.get_by_label(f"Token {name}", exact=True).input_value()
        sent = {"authorization": f"Bearer {token}"}
        whoami = f"{site.url}/api/v1/whoami"
        assert httpx2.get(whoami, headers=sent, trust_env=False).json()["role"] == "viewer"
        page.get_by_role("link", name="I have saved it").click()
        entry = page.get_by_role("listitem").filter(has_text=name)
        entry.get_by_text("Revoke…").click()
        look(page)
        entry.get_by_role("button", name=f"Revoke the token {name}").click()
        entry.wait_for(state="detached")
        assert httpx2.get(whoami, headers=sent, trust_env=False).status_code == 401
    records = [json.loads(line) for line in command(site, "audit", "--kind", "token-changed", "--json").splitlines()]
    assert [record["details"]["done"] for record in records[-2:]] == ["created with the role viewer", "revoked"]
