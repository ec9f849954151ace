"""Signing in through a real OpenID provider in Chromium: redirects, roles, sign-out, and an outage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from support.browser import chromium
from support.providers import OidcProvider, oidc_provider
from support.site import Served, free_port, served

ROLES = """
[[oidc.roles]]
group = "boot-admins"
role = "admin"

[[oidc.roles]]
group = "fra"
role = "approver"
labels = ["site=fra"]
"""


def provider_settings(issuer: str, secret: Path, more: str = "") -> str:
    return f"""
[[oidc]]
id = "corp"
label = "Corp SSO"
issuer = "{issuer}"
client_id = "pages"
client_secret_file = "{secret}"
scopes = ["openid", "profile"]
{more}
{ROLES}"""


@dataclass(slots=True)
class Company:
    """A site with a sign-in provider, which ``close_provider`` stops."""

    site: Served
    provider: OidcProvider
    shut: ExitStack

    def close_provider(self) -> None:
        self.shut.close()


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    port = free_port()
    with ExitStack() as stack:
        shut = stack.enter_context(ExitStack())
        provider = shut.enter_context(oidc_provider(pages_url=f"http://localhost:{port}"))
        secret = tmp_path / "corp.secret"
        secret.write_text(provider.client_secret + "\n")
        lost = '[[oidc]]\nid = "lost"\nlabel = "Lost SSO"\nissuer = "https://127.0.0.1:1"\nclient_id = "x"\n'
        settings = provider_settings(provider.issuer, secret) + lost + ROLES
        site = stack.enter_context(served(tmp_path, host="localhost", port=port, more=settings))
        yield Company(site, provider, shut)


@pytest.fixture
def context() -> Iterator[BrowserContext]:
    """Request this after the site: creating a site needs an event loop, and Chromium's driver runs in one."""
    with chromium() as browser:
        made = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
        made.set_default_timeout(20_000)
        yield made


def go_to_provider(page: Page, company: Company, path: str = "/account") -> None:
    page.goto(f"{company.site.url}{path}")
    page.get_by_role("link", name="Sign in with Corp SSO").click()


def sign_in_there(page: Page, name: str) -> None:
    """Sign in and consent on the provider's own pages."""
    page.get_by_placeholder("Enter any login").fill(name)
    page.get_by_placeholder("and password").fill("any password will do")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


def arrives_at_the_code(page: Page) -> None:
    page.get_by_role("heading", name="Enter the code").wait_for()


def test_a_sign_in_at_the_provider_returns_to_the_requested_page(company: Company, context: BrowserContext) -> None:
    page = context.new_page()
    go_to_provider(page, company, "/device")
    sign_in_there(page, "ana.boot-admins")
    arrives_at_the_code(page)
    page.goto(f"{company.site.url}/account")
    page.get_by_role("heading", name="corp:ana").wait_for()
    assert page.get_by_text("by oidc:corp").is_visible()
    [cookie] = [one for one in context.cookies(company.site.url) if one["name"] == "bootgrant"]
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Lax")


def test_groups_determine_role_and_labels(company: Company, context: BrowserContext) -> None:
    page = context.new_page()
    go_to_provider(page, company)
    sign_in_there(page, "ben.fra")
    page.get_by_text("only those with site=fra").wait_for()
    assert page.get_by_role("main").get_by_text("approver", exact=True).is_visible()
    listed = company.site.command("operators", "list").stdout
    assert "corp:ben  approver  site=fra       oidc" in listed
    refused = company.site.command("operators", "set", "corp:ben", "--role", "admin")
    assert "the role of corp:ben comes from the provider's groups" in refused.stderr


def test_an_account_without_a_matching_group_is_refused(company: Company, context: BrowserContext) -> None:
    page = context.new_page()
    go_to_provider(page, company)
    sign_in_there(page, "eve.others")
    page.get_by_role("heading", name="Could not sign in with Corp SSO").wait_for()
    assert page.get_by_text("but this account has no role here").is_visible()
    assert page.get_by_text("eve").is_visible()
    assert "corp:" not in company.site.command("operators", "list").stdout


def test_an_operator_disabled_here_stays_disabled(company: Company, context: BrowserContext) -> None:
    page = context.new_page()
    go_to_provider(page, company)
    sign_in_there(page, "ana.boot-admins")
    page.get_by_role("heading", name="corp:ana").wait_for()
    company.site.command("operators", "disable", "corp:ana")
    go_to_provider(page, company)
    page.get_by_text("Your access to this site was disabled").wait_for()


def test_signing_out_can_also_end_the_session_at_the_provider(company: Company, context: BrowserContext) -> None:
    page = context.new_page()
    go_to_provider(page, company)
    sign_in_there(page, "ana.boot-admins")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Signed out here").wait_for()
    page.get_by_role("link", name="Sign out at Corp SSO too").click()
    page.get_by_role("button", name="Yes, sign me out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert page.url == f"{company.site.url}/login"
    go_to_provider(page, company)
    page.get_by_placeholder("Enter any login").wait_for()


def test_the_provider_confirms_a_recent_sign_in(company: Company, context: BrowserContext) -> None:
    page = context.new_page()
    go_to_provider(page, company)
    sign_in_there(page, "ana.boot-admins")
    page.get_by_role("heading", name="corp:ana").wait_for()
    page.goto(f"{company.site.url}/login/again?next=/device")
    page.get_by_role("link", name="Continue with Corp SSO").click()
    page.get_by_placeholder("Enter any login").fill("ana.boot-admins")
    page.get_by_placeholder("and password").fill("again")
    page.get_by_role("button", name="Sign-in").click()
    arrives_at_the_code(page)


def test_local_operators_can_sign_in_during_an_outage(company: Company, context: BrowserContext) -> None:
    page = context.new_page()
    company.close_provider()
    go_to_provider(page, company, "/device")
    page.get_by_text("The provider did not respond to this server").wait_for()
    page.get_by_role("link", name="Sign in", exact=True).click()
    page.get_by_label("Name").fill("ana")
    page.get_by_label("Password").fill(company.site.made.password.reveal())
    page.get_by_role("button", name="Sign in", exact=True).click()
    arrives_at_the_code(page)
    assert "ConnectError" in company.site.log


def test_one_unreachable_provider_does_not_affect_the_others(company: Company, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(f"{company.site.url}/login/oidc/lost")
    page.get_by_role("heading", name="Could not sign in with Lost SSO").wait_for()
    go_to_provider(page, company, "/device")
    sign_in_there(page, "ana.boot-admins")
    arrives_at_the_code(page)


def test_a_callback_can_be_used_once(company: Company, context: BrowserContext) -> None:
    page = context.new_page()
    ways: list[str] = []
    page.on("request", lambda request: ways.append(request.url) if "/callback?" in request.url else None)
    go_to_provider(page, company, "/device")
    sign_in_there(page, "ana.boot-admins")
    arrives_at_the_code(page)
    context.clear_cookies(name="bootgrant")
    page.goto(ways[0])
    page.get_by_text("This sign-in was already used").wait_for()


def test_cancelling_at_the_provider_does_not_sign_in(company: Company, context: BrowserContext) -> None:
    page = context.new_page()
    go_to_provider(page, company)
    page.get_by_role("link", name="Cancel").click()
    page.get_by_text("You cancelled, or Corp SSO does not let this account").wait_for()
    assert page.get_by_text("access_denied: End-User aborted interaction").is_visible()
