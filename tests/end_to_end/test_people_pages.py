"""Second approvals, assignments, and the operator's own password and tokens, in Chromium."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from support.browser import chromium
from support.site import CONFIG, Served, bootgrant, clean_environment, served, wait_until

SIZES = {"phone": (390, 844), "desk": (1280, 800)}
CONTROL_PLANE = "version: v1alpha1\nmachine:\n  type: controlplane\n  ca: {crt: YQ==, key: YQ==}\ncluster: {}\n"
MODEL = "entries:\n  - name: spare\n    labels: {role: worker}\n    layers: [all]\n"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        yield running


@pytest.fixture
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
        page.goto(f"{site.url}/account")
        page.get_by_label("Name").fill(name or site.made.operator)
        page.get_by_label("Password").fill(password or site.made.password.reveal())
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Where you are signed in").wait_for()
        yield page


def add_approver(site: Served, name: str) -> str:
    """Add an operator who may approve. Return the password."""
    done = site.command("operators", "add", name, "--role", "approver", "--json")
    return str(json.loads(done.stdout)["password"])


def request_configuration(site: Served, config: str = "") -> dict[str, str]:
    """Request a configuration for a new machine, known if ``config`` is given. Return codes, link and uuid."""
    name = str(uuid.uuid4())
    if config:
        (site.machines / f"{name}.yaml").write_text(config)
    form = {"client_id": "talos", "uuid": name}
    codes = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False).raise_for_status().json()
    return {**codes, "uuid": name}


def remote_command(*words: str) -> subprocess.CompletedProcess[str]:
    """Run a command as on another computer."""
    return subprocess.run(bootgrant(*words), capture_output=True, text=True, timeout=60, env=clean_environment())


def approve(page: Page, machine: dict[str, str]) -> None:
    page.goto(machine["verification_uri_complete"])
    page.get_by_label("Last four characters").fill(machine["user_code"][-4:])
    page.get_by_role("button", name="Approve").click()


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_two_operators_approve_a_control_plane(site: Served, browser: Browser, size: str) -> None:
    machine = request_configuration(site, CONTROL_PLANE)
    with (
        signed_in(browser, site, size) as first,
        signed_in(browser, site, size, "ben", add_approver(site, "ben")) as second,
    ):
        approve(first, machine)
        first.get_by_text("Your approval is recorded.").wait_for()
        assert first.get_by_role("button", name="Approve").count() == 0
        approve(second, machine)
        for page in (first, second):
            page.get_by_role("heading", name="Approved").wait_for()
            page.get_by_text("approved by", exact=True).wait_for()


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_an_unknown_machine_is_assigned_an_entry_and_approved(site: Served, browser: Browser, size: str) -> None:
    (site.machines / "all").mkdir(exist_ok=True)
    (site.machines / "all" / "00.yaml").write_text(CONFIG)
    (site.machines / "machines.yaml").write_text(MODEL)
    wait_until(lambda: "1 entries" in site.log, "the server has read the entries")
    machine = request_configuration(site)
    with signed_in(browser, site, size) as page:
        page.goto(machine["verification_uri_complete"])
        page.get_by_text("Assign…").click()
        page.get_by_label("Entry for this machine").select_option("spare")
        page.get_by_role("button", name="Assign", exact=True).click()
        page.get_by_role("heading", name="spare").wait_for()
        approve(page, machine)
        page.get_by_role("heading", name="Approved").wait_for()


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_an_own_token_works_remotely_until_it_is_revoked(
    site: Served, browser: Browser, size: str, tmp_path: Path
) -> None:
    machine, token = request_configuration(site, CONFIG), tmp_path / "token"
    remote = ("--server", site.url, "--token-file", str(token))
    with signed_in(browser, site, size) as page:
        page.get_by_role("link", name="New API token").click()
        page.get_by_label("Name of the token").fill("laptop")
        page.get_by_label("Role").select_option("approver")
        page.get_by_role("button", name="Create the token").click()
        token.write_text(page.get_by_label("Token laptop", exact=True).input_value())
        done = remote_command("approve", machine["user_code"], *remote)
        assert done.returncode == 0, done.stderr
        page.goto(f"{site.url}/audit?who={site.made.operator}")
        page.get_by_text(f"by {site.made.operator} (token:laptop)").first.wait_for()
        page.goto(f"{site.url}/account")
        page.get_by_role("button", name="Revoke the token laptop").click()
        page.get_by_text("You have no API tokens").wait_for()
    assert "unknown, revoked or expired" in remote_command("pending", *remote).stderr


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_changing_the_password_signs_out_the_other_browser(site: Served, browser: Browser, size: str) -> None:
    new = "some-words-in-a-row"
    with signed_in(browser, site, size) as page, signed_in(browser, site, size) as other:
        page.get_by_role("link", name="Change your password").click()
        page.get_by_label("Current password").fill(site.made.password.reveal())
        page.get_by_label("New password", exact=True).fill(new)
        page.get_by_label("New password again").fill(new)
        page.get_by_role("button", name="Change password").click()
        page.get_by_role("heading", name="Where you are signed in").wait_for()
        other.goto(site.url)
        other.get_by_role("heading", name="Sign in").wait_for()
    with signed_in(browser, site, size, password=new) as again:
        again.get_by_role("button", name="End the session").first.click()
        again.get_by_text("this session").wait_for()
