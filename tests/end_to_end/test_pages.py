"""The pages in Chromium, as a person uses them: on a phone and at a desk, with and without scripts, by keyboard."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState

from support.browser import chromium
from support.site import CONFIG, Served, served

SIZES = {"phone": (390, 844), "desk": (1280, 800)}


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine at the wire: it asked, and shows a code."""

    site: Served
    device_code: str
    user_code: str
    link: str
    uuid: str = ""

    def fetch(self) -> httpx2.Response:
        """Exchange the device code and download with the token, as a machine does after its approval."""
        form = {
            "client_id": "talos",
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": self.device_code,
        }
        with httpx2.Client(base_url=self.site.url, trust_env=False, timeout=30) as client:
            told = client.post("/token", data=form).json()
            bearer = {"authorization": f"Bearer {told.get('access_token', '')}"}
            return client.get("/config", headers=bearer)

    def error(self) -> dict[str, str]:
        """What the token endpoint says to a machine that was refused."""
        form = {
            "client_id": "talos",
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": self.device_code,
        }
        answer: dict[str, str] = httpx2.post(f"{self.site.url}/token", data=form, trust_env=False, timeout=30).json()
        return answer


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("pages")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def session(site: Served, browser: Browser) -> StorageState:
    """One sign-in for all tests that are about something else: sign-ins are limited."""
    with entered(browser, "desk") as context:
        page = context.new_page()
        page.goto(site.url)
        sign_in(page, site)
        page.get_by_role("heading", name="No machine waits").wait_for()
        return context.storage_state()


@pytest.fixture(params=["phone", "desk"])
def context(browser: Browser, session: StorageState, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A browser of somebody who is signed in."""
    with entered(browser, request.param, session=session) as made:
        yield made


@contextmanager
def entered(
    browser: Browser, size: str, *, scripts: bool = True, session: StorageState | None = None
) -> Iterator[BrowserContext]:
    width, height = SIZES[size]
    made = browser.new_context(
        viewport={"width": width, "height": height},
        has_touch=size == "phone",
        java_script_enabled=scripts,
        storage_state=session,
    )
    made.set_default_timeout(20_000)
    yield made
    made.close()


def asks(site: Served, **identity: str) -> Machine:
    """A machine asks: by default one of its own, which has a configuration."""
    if not identity:
        identity = {"uuid": str(uuid.uuid4())}
        (site.machines / f"{identity['uuid']}.yaml").write_text(CONFIG)
    form = {"client_id": "talos", **identity}
    told = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False).raise_for_status().json()
    return Machine(
        site, told["device_code"], told["user_code"], told["verification_uri_complete"], identity.get("uuid", "")
    )


def sign_in(page: Page, site: Served) -> None:
    page.get_by_label("Name").fill(site.made.operator)
    page.get_by_label("Password").fill(site.made.password.reveal())
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
@pytest.mark.parametrize("size", ["phone", "desk"])
def test_from_the_qr_over_sign_in_to_the_delivered_configuration(
    site: Served, browser: Browser, size: str, scripts: bool
) -> None:
    machine = asks(site)
    with entered(browser, size, scripts=scripts) as context:
        page = context.new_page()
        page.goto(machine.link)
        sign_in(page, site)
        page.get_by_label("Last four characters").fill(machine.user_code[-4:].lower())
        page.get_by_role("button", name="Approve").click()
        page.get_by_role("heading", name="Approved").wait_for()
        assert machine.fetch().text == CONFIG
        page.get_by_role("heading", name="Delivered").wait_for()


def test_a_denial_with_its_reason_reaches_the_machine(site: Served, context: BrowserContext) -> None:
    machine, page = asks(site), context.new_page()
    page.goto(machine.link)
    assert not page.get_by_role("button", name="Deny this machine").is_visible()
    page.get_by_text("Deny…").click()
    page.get_by_label("Reason").fill("rack 4 is not expected today")
    page.get_by_role("button", name="Deny this machine").click()
    page.get_by_role("heading", name="Denied").wait_for()
    told = machine.error()
    assert told["error"] == "access_denied"
    assert "rack 4 is not expected today" in told["error_description"]


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_sign_in_code_and_approval_by_keyboard_alone(site: Served, browser: Browser, size: str) -> None:
    machine = asks(site)
    with entered(browser, size) as context:
        page = context.new_page()
        page.goto(f"{site.url}/device")
        page.keyboard.type(site.made.operator)
        page.keyboard.press("Tab")
        page.keyboard.type(site.made.password.reveal())
        page.keyboard.press("Enter")
        page.get_by_label("Code").wait_for()
        page.keyboard.type(machine.user_code.lower().replace("-", " "))
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Approve").wait_for()
        for _ in range(24):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent.trim()") == "Approve":
                break
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Approved").wait_for()


def test_the_list_leads_to_the_machine_and_its_times_go_on(site: Served, context: BrowserContext) -> None:
    machine, page = asks(site), context.new_page()
    page.goto(site.url)
    page.get_by_role("link", name=machine.uuid).click()
    left = page.locator("[data-clock=down]")
    before = left.text_content()
    page.wait_for_function("before => document.querySelector('[data-clock=down]').textContent !== before", arg=before)


def test_hostile_text_runs_nothing_and_asks_no_other_host(site: Served, context: BrowserContext) -> None:
    hostile = "<img src=http://192.0.2.1/x onerror=alert(1)>\u202e{{7*7}}</script><script>alert(1)</script>"
    machine, page = asks(site, serial=hostile, hostname="</title><script>alert(2)</script>"), context.new_page()
    asked: list[str] = []
    alarms: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: alarms.append(dialog.message))
    page.on("console", lambda message: alarms.append(message.text) if message.type == "error" else None)
    page.goto(machine.link)
    assert page.get_by_text("<img src=http://192.0.2.1/x").is_visible()
    page.goto(site.url)
    assert page.locator("main img, main script").count() == 0
    assert alarms == []
    assert {address for address in asked if not address.startswith(f"{site.url}/")} == set()


def test_nothing_runs_over_the_edge_even_with_large_text(site: Served, context: BrowserContext) -> None:
    machine = asks(site)
    unknown = asks(site, serial="0" + "OCZJ19N71" * 20)
    page = context.new_page()
    page.goto(site.url)
    for address in (site.url, f"{site.url}/device", machine.link, unknown.link, f"{site.url}/nowhere"):
        page.goto(address)
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, address


def test_on_a_phone_approve_is_large_and_at_the_thumb(site: Served, browser: Browser, session: StorageState) -> None:
    machine = asks(site)
    with entered(browser, "phone", session=session) as context:
        page = context.new_page()
        page.goto(machine.link)
        box = page.get_by_role("button", name="Approve").bounding_box()
        assert box is not None
        assert box["height"] >= 48
        assert SIZES["phone"][1] / 2 < box["y"] <= SIZES["phone"][1] - box["height"]
