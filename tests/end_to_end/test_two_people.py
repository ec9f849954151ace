"""Two people approve a control plane in Chromium, while the machine asks again in between."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from support.browser import chromium
from support.site import CONFIG, Served, served

CONTROL_PLANE = "version: v1alpha1\nmachine:\n  type: controlplane\n  ca: {crt: YQ==, key: YQ==}\ncluster: {}\n"
ONCE = re.compile(r"the password is (\S+) \(shown once: keep it now\)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("two")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


class Machine:
    """A control plane, which asks as often as the test wants."""

    def __init__(self, site: Served) -> None:
        self.site = site
        self.uuid = str(uuid.uuid4())
        (site.machines / f"{self.uuid}.yaml").write_text(CONTROL_PLANE)
        self.codes: dict[str, Any] = {}

    def ask(self) -> None:
        form = {"client_id": "talos", "uuid": self.uuid}
        self.codes = httpx2.post(f"{self.site.url}/device/code", data=form, trust_env=False).raise_for_status().json()

    def token(self) -> dict[str, Any]:
        form = {
            "client_id": "talos",
            "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
            "device_code": self.codes["device_code"],
        }
        answer: dict[str, Any] = httpx2.post(f"{self.site.url}/token", data=form, trust_env=False, timeout=40).json()
        return answer

    def fetch(self) -> str:
        bearer = {"authorization": f"Bearer {self.token()['access_token']}"}
        return httpx2.get(f"{self.site.url}/config", headers=bearer, trust_env=False, timeout=40).text


def open_as(browser: Browser, name: str, password: str, address: str, size: tuple[int, int]) -> Page:
    """Open an address in a new browser and sign in."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.goto(address)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    return page


def approve(page: Page, code: str) -> None:
    page.get_by_label("Last four characters").fill(code[-4:])
    page.get_by_role("button", name="Approve").click()


def test_a_first_vote_survives_a_new_request_and_a_second_person_completes_it(site: Served, browser: Browser) -> None:
    added = site.command("operators", "add", "ben", "--role", "approver")
    [password] = ONCE.findall(added.stdout)
    machine = Machine(site)
    machine.ask()
    assert machine.codes["expires_in"] == 1800
    old = machine.codes["user_code"]
    made = site.made
    phone = open_as(
        browser, made.operator, made.password.reveal(), machine.codes["verification_uri_complete"], (390, 844)
    )
    approve(phone, old)
    expect(phone.get_by_text("1 of 2 approvals")).to_be_visible()

    machine.ask()
    phone.get_by_role("heading", name="Replaced").wait_for()
    phone.get_by_role("link", name="Open the newer request").click()
    expect(phone.get_by_text("You approved the earlier request at")).to_be_visible()
    expect(phone.get_by_text("this vote still counts")).to_be_visible()
    assert phone.get_by_role("button", name="Approve").count() == 0

    desk = open_as(browser, "ben", password, machine.codes["verification_uri_complete"], (1280, 800))
    expect(desk.get_by_text(f"{made.operator} approved the earlier request at")).to_be_visible()
    approve(desk, old)
    expect(desk.get_by_role("alert")).to_contain_text("does not end in")
    approve(desk, machine.codes["user_code"])
    desk.get_by_role("heading", name="Approved").wait_for()
    assert machine.fetch() == CONTROL_PLANE
    desk.get_by_role("heading", name="Delivered").wait_for()
    phone.get_by_role("heading", name="Delivered").wait_for()


def test_a_machine_that_lost_its_approved_code_says_so_and_is_approved_again(site: Served, browser: Browser) -> None:
    machine = Machine(site)
    (site.machines / f"{machine.uuid}.yaml").write_text(CONFIG)
    machine.ask()
    assert site.command("approve", machine.codes["user_code"]).returncode == 0
    machine.ask()
    made = site.made
    page = open_as(browser, made.operator, made.password.reveal(), f"{site.url}/", (390, 844))
    row = page.locator(".row", has=page.get_by_role("link", name=machine.uuid))
    expect(row).to_contain_text("never delivered: the machine lost its code. Approve again.")
    row.click()
    expect(page.get_by_text("never delivered: the machine lost its code. Approve again.")).to_be_visible()
    approve(page, machine.codes["user_code"])
    page.get_by_role("heading", name="Approved").wait_for()
    assert "worker" in machine.fetch()
    page.get_by_role("heading", name="Delivered").wait_for()
