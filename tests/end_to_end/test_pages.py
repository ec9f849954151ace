"""The pages in Chromium as people use them: phone and desktop, with and without scripts, by keyboard."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect

from support.browser import chromium
from support.site import CONFIG, Served, served

SIZES = {"phone": (390, 844), "desk": (1280, 800)}


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that has requested a configuration and shows a code."""

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
            answer = client.post("/token", data=form).json()
            bearer = {"authorization": f"Bearer {answer.get('access_token', '')}"}
            return client.get("/config", headers=bearer)

    def error(self) -> dict[str, str]:
        """Return the error of the token endpoint for a machine that was denied."""
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
    """One session for all tests, because sign-ins are rate-limited."""
    with entered(browser, "desk") as context:
        page = context.new_page()
        page.goto(site.url)
        sign_in(page, site)
        page.get_by_role("link", name="Code", exact=True).wait_for()
        return context.storage_state()


@pytest.fixture(params=["phone", "desk"])
def context(browser: Browser, session: StorageState, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A browser with a session."""
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


def request_configuration(site: Served, **identity: str) -> Machine:
    """Request a configuration, by default for a new machine that has one."""
    if not identity:
        identity = {"uuid": str(uuid.uuid4())}
        (site.machines / f"{identity['uuid']}.yaml").write_text(CONFIG)
    form = {"client_id": "talos", **identity}
    codes = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False).raise_for_status().json()
    return Machine(
        site, codes["device_code"], codes["user_code"], codes["verification_uri_complete"], identity.get("uuid", "")
    )


def sign_in(page: Page, site: Served) -> None:
    page.get_by_label("Name").fill(site.made.operator)
    page.get_by_label("Password").fill(site.made.password.reveal())
    page.get_by_role("button", name="Sign in").click()


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
@pytest.mark.parametrize("size", ["phone", "desk"])
def test_from_the_qr_code_through_sign_in_to_the_delivery(
    site: Served, browser: Browser, size: str, scripts: bool
) -> None:
    machine = request_configuration(site)
    with entered(browser, size, scripts=scripts) as context:
        page = context.new_page()
        page.goto(machine.link)
        sign_in(page, site)
        page.get_by_label("Last four characters").fill(machine.user_code[-4:].lower())
        page.get_by_role("button", name="Approve").click()
        page.get_by_role("heading", name="Approved").wait_for()
        assert machine.fetch().text == CONFIG
        page.get_by_role("heading", name="Delivered").wait_for()


def test_the_reason_of_a_denial_reaches_the_machine(site: Served, context: BrowserContext) -> None:
    machine, page = request_configuration(site), context.new_page()
    page.goto(machine.link)
    assert not page.get_by_role("button", name="Deny this machine").is_visible()
    page.get_by_text("Deny…").click()
    page.get_by_label("Reason").fill("rack 4 is not expected today")
    page.get_by_role("button", name="Deny this machine").click()
    page.get_by_role("heading", name="Denied").wait_for()
    error = machine.error()
    assert error["error"] == "access_denied"
    assert "rack 4 is not expected today" in error["error_description"]


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_sign_in_code_and_approval_work_by_keyboard(site: Served, browser: Browser, size: str) -> None:
    machine = request_configuration(site)
    with entered(browser, size) as context:
        page = context.new_page()
        page.goto(f"{site.url}/device")
        # The browser gives a field its focus when it draws the page: a program types faster than that.
        expect(page.get_by_label("Name", exact=True)).to_be_focused()
        page.keyboard.type(site.made.operator)
        page.keyboard.press("Tab")
        page.keyboard.type(site.made.password.reveal())
        page.keyboard.press("Enter")
        expect(page.get_by_label("Code")).to_be_focused()
        page.keyboard.type(machine.user_code.lower().replace("-", " "))
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Approve").wait_for()
        for _ in range(24):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.textContent.trim()") == "Approve":
                break
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Approved").wait_for()


def test_the_list_leads_to_the_machine_and_its_clocks_run(site: Served, context: BrowserContext) -> None:
    machine, page = request_configuration(site), context.new_page()
    page.goto(site.url)
    page.get_by_role("link", name=machine.uuid).click()
    left = page.locator("[data-clock=down]")
    before = left.text_content()
    page.wait_for_function("before => document.querySelector('[data-clock=down]').textContent !== before", arg=before)


def test_hostile_text_runs_no_script_and_loads_nothing(site: Served, context: BrowserContext) -> None:
    hostile = "<img src=http://192.0.2.1/x onerror=alert(1)>\u202e{{7*7}}</script><script>alert(1)</script>"
    machine, page = (
        request_configuration(site, serial=hostile, hostname="</title><script>alert(2)</script>"),
        context.new_page(),
    )
    loaded: list[str] = []
    alarms: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    page.on("dialog", lambda dialog: alarms.append(dialog.message))
    page.on("console", lambda message: alarms.append(message.text) if message.type == "error" else None)
    page.goto(machine.link)
    assert page.get_by_text("<img src=http://192.0.2.1/x").first.is_visible()
    page.goto(site.url)
    assert page.locator("main img, main script").count() == 0
    assert alarms == []
    assert {address for address in loaded if not address.startswith(f"{site.url}/")} == set()


def test_nothing_overflows_even_with_large_text(site: Served, context: BrowserContext) -> None:
    machine = request_configuration(site)
    unknown = request_configuration(site, serial="0" + "OCZJ19N71" * 20)
    page = context.new_page()
    page.goto(site.url)
    for address in (site.url, f"{site.url}/device", machine.link, unknown.link, f"{site.url}/nowhere"):
        page.goto(address)
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, address


def test_on_a_phone_approve_is_large_and_reachable(site: Served, browser: Browser, session: StorageState) -> None:
    machine = request_configuration(site)
    with entered(browser, "phone", session=session) as context:
        page = context.new_page()
        page.goto(machine.link)
        box = page.get_by_role("button", name="Approve").bounding_box()
        assert box is not None
        assert box["height"] >= 48
        assert SIZES["phone"][1] / 2 < box["y"] <= SIZES["phone"][1] - box["height"]
