"""Passkeys in Chromium with a virtual authenticator: registering, signing in, second factor, confirming."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from support.authenticator import Authenticator, plugged_into
from support.browser import chromium
from support.site import Served, served


@contextmanager
def at(folder: Path, settings: str = "") -> Iterator[Served]:
    """A site with a host name, because browsers allow no passkeys at an IP address."""
    with served(folder, settings=settings, host="localhost") as site:
        yield site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    with at(tmp_path) as running:
        yield running


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Served]:
    with at(tmp_path, 'second_factor = "required"') as running:
        yield running


@pytest.fixture
def context() -> Iterator[BrowserContext]:
    """Request this after the site: creating a site needs an event loop, and Chromium's driver runs in one."""
    with chromium() as browser:
        made = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
        made.set_default_timeout(20_000)
        yield made


def enter_password(page: Page, site: Served) -> None:
    page.get_by_label("Name").fill(site.made.operator)
    page.get_by_label("Password").fill(site.made.password.reveal())
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page, site: Served) -> None:
    page.goto(f"{site.url}/account")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()


def with_a_passkey(page: Page, site: Served) -> Authenticator:
    """Sign in, and register a passkey on the account page."""
    device = plugged_into(page)
    page.goto(f"{site.url}/account")
    enter_password(page, site)
    page.get_by_role("link", name="New passkey").click()
    page.get_by_label("Name of the passkey").fill("My phone")
    page.get_by_role("button", name="Create the passkey").click()
    page.get_by_text("My phone").wait_for()
    return device


def test_a_passkey_signs_in_without_a_password_and_redirects(site: Served, context: BrowserContext) -> None:
    page = context.new_page()
    device = with_a_passkey(page, site)
    assert len(device.credentials()) == 1
    sign_out(page, site)
    page.goto(f"{site.url}/device")
    page.get_by_role("link", name="Sign in with a passkey").click()
    page.get_by_role("heading", name="Enter the code").wait_for()
    page.goto(f"{site.url}/account")
    assert page.get_by_text("by passkey").is_visible()
    assert "signed in from 127.0.0.1 (passkey)" in site.log


def test_an_authenticator_without_user_verification_is_not_enough_by_itself(
    site: Served, context: BrowserContext
) -> None:
    page = context.new_page()
    device = with_a_passkey(page, site)
    sign_out(page, site)
    device.knows_its_user(False)
    page.goto(f"{site.url}/login/passkey")
    page.get_by_text("The browser returned no passkey").wait_for()


def test_a_copied_passkey_with_an_older_count_is_refused(site: Served, context: BrowserContext) -> None:
    page = context.new_page()
    device = with_a_passkey(page, site)
    sign_out(page, site)
    page.goto(f"{site.url}/login/passkey")
    page.wait_for_url("**/")
    sign_out(page, site)
    device.turn_the_count_back()
    page.goto(f"{site.url}/login/passkey")
    page.get_by_text("This passkey was not accepted").wait_for()


def test_an_answer_can_be_used_once(site: Served, context: BrowserContext) -> None:
    page, sent = context.new_page(), []
    with_a_passkey(page, site)
    sign_out(page, site)
    page.on("request", lambda request: sent.append(request.post_data) if request.method == "POST" else None)
    page.goto(f"{site.url}/login/passkey")
    page.wait_for_url("**/")
    [answer] = [body for body in sent if body and "answer=" in body]
    sign_out(page, site)
    headers = {"origin": site.url, "content-type": "application/x-www-form-urlencoded"}
    again = context.request.post(f"{site.url}/login/passkey", data=answer, headers=headers, max_redirects=0)
    assert again.status == 403
    assert "the page was already used" in again.text()


def test_a_removed_passkey_is_refused(site: Served, context: BrowserContext) -> None:
    page = context.new_page()
    with_a_passkey(page, site)
    page.get_by_role("button", name="Remove the passkey My phone").click()
    page.get_by_text("You have no passkeys.").wait_for()
    sign_out(page, site)
    page.goto(f"{site.url}/login/passkey")
    page.get_by_text("This passkey was not accepted").wait_for()


def test_a_device_can_be_registered_once(site: Served, context: BrowserContext) -> None:
    page = context.new_page()
    with_a_passkey(page, site)
    page.get_by_role("link", name="New passkey").click()
    page.get_by_role("button", name="Create the passkey").click()
    page.get_by_text("You already have a passkey on this device").wait_for()


def test_with_two_required_factors_the_first_sign_in_registers_a_passkey(
    strict: Served, context: BrowserContext
) -> None:
    page = context.new_page()
    device = plugged_into(page)
    page.goto(f"{strict.url}/device")
    enter_password(page, strict)
    page.get_by_role("heading", name="One more step: a passkey").wait_for()
    page.goto(f"{strict.url}/account")
    page.get_by_role("heading", name="One more step: a passkey").wait_for()
    page.get_by_role("button", name="Create the passkey").click()
    page.get_by_role("heading", name="ana").wait_for()
    sign_out(page, strict)
    page.goto(f"{strict.url}/device")
    enter_password(page, strict)
    page.get_by_role("heading", name="Enter the code").wait_for()
    sign_out(page, strict)
    device.forget()
    enter_password(page, strict)
    page.get_by_text("The browser returned no passkey").wait_for()
    page.goto(f"{strict.url}/device")
    page.get_by_role("heading", name="Now your passkey").wait_for()


def test_a_passkey_confirms_a_recent_sign_in(site: Served, context: BrowserContext) -> None:
    page = context.new_page()
    with_a_passkey(page, site)
    page.goto(f"{site.url}/login/again?next=/device")
    page.get_by_role("button", name="Use your passkey").click()
    page.get_by_role("heading", name="Enter the code").wait_for()
