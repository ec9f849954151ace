"""The sign-in pages, light and dark, on phone and desktop: axe finds nothing, nothing overflows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from support.authenticator import plugged_into
from support.axe import violations
from support.browser import chromium
from support.site import Served, served

SIZES = {"phone": (390, 844), "desk": (1280, 800)}
PROVIDER = """
[[oidc]]
id = "corp"
label = "Corp SSO"
issuer = "https://127.0.0.1:1"
client_id = "pages"
[[oidc.roles]]
group = "all"
role = "viewer"
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, host="localhost", more=PROVIDER) as running:
        yield running


def walk(page: Page, site: Served, look: Callable[[str], None]) -> None:
    """Visit every sign-in page, as a new operator would."""
    device = plugged_into(page)
    page.goto(f"{site.url}/device")
    look("sign in")
    page.goto(f"{site.url}/login/oidc/corp")
    look("provider down")
    page.goto(f"{site.url}/account")
    page.get_by_label("Name").fill(site.made.operator)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    look("wrong password")
    page.get_by_label("Password").fill(site.made.password.reveal())
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("link", name="New passkey").click()
    look("new passkey")
    page.get_by_role("button", name="Create the passkey").click()
    page.get_by_role("button", name="Remove the passkey Passkey").wait_for()
    look("account")
    page.goto(f"{site.url}/login/again?next=/account")
    look("again")
    device.knows_its_user(False)
    page.context.clear_cookies()
    page.goto(f"{site.url}/login/passkey")
    page.get_by_text("The browser returned no passkey").wait_for()
    look("passkey refused")


@pytest.mark.parametrize(("size", "scheme"), [("phone", "dark"), ("desk", "light")])
def test_the_sign_in_pages_are_accessible(site: Served, size: str, scheme: str) -> None:
    found: dict[str, list[str]] = {}
    width, height = SIZES[size]
    with chromium() as browser:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
        )
        context.set_default_timeout(20_000)
        page = context.new_page()

        def look(name: str) -> None:
            found[name] = violations(page)
            page.evaluate("document.documentElement.style.fontSize = '200%'")
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            page.evaluate("document.documentElement.style.fontSize = ''")
            found[name] += [f"overflows by {wide} pixels"] if wide > 0 else []

        walk(page, site, look)
    assert len(found) == 7
    assert {name: broken for name, broken in found.items() if broken} == {}
