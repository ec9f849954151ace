"""Signing in to the pages through Debian's glewlwyd, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from support.browser import chromium
from support.glewlwyd_people import GlewlwydPeople, with_people
from support.providers import glewlwyd
from support.site import Served, free_port, served

SETTINGS = """
[[oidc]]
id = "corp"
label = "Corp SSO"
issuer = "{issuer}"
client_id = "pages"
client_secret_file = "{secret}"
scopes = ["openid"]
[[oidc.roles]]
claim = "name"
value = "ana"
role = "viewer"
"""


@pytest.fixture
def company(tmp_path: Path) -> Iterator[tuple[Served, GlewlwydPeople]]:
    (tmp_path / "provider").mkdir()
    port, secret = free_port(), tmp_path / "secret"
    with glewlwyd(tmp_path / "provider") as provider:
        people = with_people(provider, f"http://localhost:{port}")
        secret.write_text(people.client_secret)
        settings = SETTINGS.format(issuer=people.issuer, secret=secret)
        with served(tmp_path, host="localhost", port=port, more=settings) as site:
            yield site, people


@pytest.fixture
def context() -> Iterator[BrowserContext]:
    """Request this after the site: creating a site needs an event loop, and Chromium's driver runs in one."""
    with chromium() as browser:
        made = browser.new_context(viewport={"width": 1280, "height": 800})
        made.set_default_timeout(20_000)
        yield made


def test_an_operator_signs_in_through_glewlwyd_and_signs_out(
    company: tuple[Served, GlewlwydPeople], context: BrowserContext
) -> None:
    site, people = company
    page = context.new_page()
    page.goto(f"{site.url}/account")
    page.get_by_role("link", name="Sign in with Corp SSO").click()
    page.wait_for_url("**/login.html?**")
    people.sign_in(page)
    page.get_by_role("heading", name="corp:ana").wait_for()
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign").wait_for()
    page.goto(f"{site.url}/account")
    page.get_by_role("link", name="Sign in with Corp SSO").wait_for()
