"""What a person and an admin see when a provider's claims give no role: in Chromium, with a running server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page

from support.axe import violations
from support.browser import chromium
from support.claims_provider import ClaimsProvider, claims_provider
from support.site import Served, served, wait_until

SETTINGS = """
[[oidc]]
id = "corp"
label = "Corp SSO"
issuer = "{issuer}"
client_id = "pages"
scopes = ["openid", "profile", "groups"]
role_grace = "{grace}"
[[oidc.roles]]
group = "platform"
role = "admin"
[[oidc.roles]]
group = "fra-techs"
role = "approver"
labels = ["site=fra"]
"""
HOSTILE = "<img src=x onerror=alert(1)>\u202e`{{7*7}}"
SIZES = {"phone": (390, 844), "desk": (1280, 800)}


@dataclass(slots=True)
class Company:
    site: Served
    provider: ClaimsProvider

    def sign_in(self, page: Page, **claims: object) -> None:
        """Come back from the provider with these claims."""
        self.provider.claims = claims
        page.goto(f"{self.site.url}/login/oidc/corp?next=/account")

    def refused(self, page: Page) -> None:
        """Sign in as ana with her password, and open the refused sign-ins through the audit."""
        if page.context.cookies(self.site.url) == []:
            page.goto(f"{self.site.url}/audit")
            page.get_by_label("Name").fill(self.site.made.operator)
            page.get_by_label("Password").fill(self.site.made.password.reveal())
            page.get_by_role("button", name="Sign in", exact=True).click()
            page.get_by_role("heading", name="Audit", exact=True).wait_for()
        page.goto(f"{self.site.url}/audit")
        page.get_by_role("link", name="Refused sign-ins").click()
        page.get_by_role("heading", name="Refused sign-ins", exact=True).wait_for()


@contextmanager
def company_at(folder: Path, grace: str = "0s") -> Iterator[Company]:
    with (
        claims_provider() as provider,
        served(folder, host="localhost", more=SETTINGS.format(issuer=provider.issuer, grace=grace)) as site,
    ):
        yield Company(site, provider)


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with company_at(tmp_path) as made:
        yield made


@contextmanager
def browsing(size: str = "phone", scheme: str = "light") -> Iterator[Page]:
    width, height = SIZES[size]
    with chromium() as browser:
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
        )
        context.set_default_timeout(20_000)
        yield context.new_page()


def operators(company: Company) -> str:
    return company.site.command("operators", "list").stdout


def test_a_person_sees_their_account_and_an_admin_what_came(company: Company) -> None:
    with browsing() as page:
        company.sign_in(page, preferred_username="eve", name="Eve", groups=["/platform", "/ops"], email="eve@x.example")
        page.get_by_text("You are signed in at Corp SSO, but this account has no role here").wait_for()
        assert page.get_by_text("Eve (eve)").is_visible()
        body = page.get_by_role("main").inner_text()
        assert "fra-techs" not in body
        assert "/platform" not in body
        wait_until(lambda: "sign-in-refused" in company.site.command("audit", "list").stdout, "the audit has it")
        company.refused(page)
        body = page.get_by_role("main").inner_text()
        for words in (
            "Eve (eve)",
            'Nearest: "/platform" is not "platform": turn off "Full group path" in Keycloak\'s group mapper',
            'groups: "/platform", "/ops"',
            'groups = "fra-techs" gives approver, site=fra: ',
            '"preferred_username"',
            "Corp SSO",
        ):
            assert words in body, words
        assert "eve@x.example" not in body
    assert '"/platform" is not "platform"' in company.site.log.replace('\\"', '"')
    assert "corp:" not in operators(company)


def test_what_the_provider_sends_is_text_on_both_pages(company: Company) -> None:
    with browsing() as page:
        dialogs: list[str] = []
        page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        company.sign_in(page, name=HOSTILE, groups=[HOSTILE, "x" * 5000], **{HOSTILE: 1})
        page.get_by_text("but this account has no role here").wait_for()
        assert "<img src=x onerror=alert(1)>" in page.get_by_role("main").inner_text()
        assert page.locator("main img").count() == 0
        wait_until(lambda: "sign-in-refused" in company.site.command("audit", "list").stdout, "the audit has it")
        company.refused(page)
        body = page.get_by_role("main").inner_text()
        assert "<img src=x onerror=alert(1)>" in body
        assert "49" not in body.replace("127.0.0.1", "")
        assert page.locator("main img").count() == 0
        assert dialogs == []


def test_groups_that_were_left_out_change_nothing_and_a_lost_group_does(company: Company) -> None:
    with browsing() as page:
        company.sign_in(page, preferred_username="eve", groups=["platform"])
        page.get_by_role("heading", name="corp:eve").wait_for()
        left_out = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://g.example/x"}}}
        company.sign_in(page, preferred_username="eve", **left_out)
        page.get_by_text("Corp SSO did not send what decides about your role here").wait_for()
        assert page.get_by_text("use app roles").is_visible()
        assert "corp:eve  admin" in operators(company)
        page.goto(f"{company.site.url}/account")
        page.get_by_role("heading", name="corp:eve").wait_for()
        wait_until(lambda: "sign-in-refused" in company.site.command("audit", "list").stdout, "the audit has it")
        company.refused(page)
        body = page.get_by_role("main").inner_text()
        assert "groups: unknown (" in body
        assert "_claim_names" in body
        company.sign_in(page, preferred_username="eve", groups=["others"])
        page.get_by_text("but this account has no role here").wait_for()
        assert "corp:eve  viewer" in operators(company)
        page.goto(f"{company.site.url}/account")
        page.get_by_role("heading", name="Sign in").wait_for()


def test_within_the_grace_the_last_role_holds(tmp_path: Path) -> None:
    with company_at(tmp_path, grace="30d") as company, browsing() as page:
        company.sign_in(page, preferred_username="eve", groups=["platform"])
        page.get_by_role("heading", name="corp:eve").wait_for()
        page.context.clear_cookies()
        company.sign_in(page, preferred_username="eve")
        page.get_by_role("heading", name="corp:eve").wait_for()
        assert "kept the last known role" in company.site.command("audit", "list").stdout
        assert "keeps the last known role" in company.site.log


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("access_denied", "You cancelled, or Corp SSO does not let this account use bootgrant"),
        ("login_required", "did not ask you to sign in"),
        ("interaction_required", "such as a second factor"),
        ("consent_required", "needs your consent"),
        ("temporarily_unavailable", "is overloaded or being maintained"),
        ("server_error", "has an internal error"),
        ("invalid_scope", "It may be groups."),
        ("unauthorized_client", "enable the authorization code flow"),
        ("invalid_request", "compare the redirect URI and PKCE"),
        ("something_new", "The provider did not sign you in"),
    ],
)
def test_the_words_of_the_provider_are_shown_with_what_to_do(
    site_and_page: tuple[Company, Page], error: str, words: str
) -> None:
    company, page = site_and_page
    company.provider.refuses = {"error": error, "error_description": f"{error} for <b>reasons</b>"}
    company.sign_in(page)
    page.get_by_text(words).wait_for()
    assert page.get_by_text(f"{error}: {error} for <b>reasons</b>").is_visible()


@pytest.fixture(scope="module")
def site_and_page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Company, Page]]:
    with company_at(tmp_path_factory.mktemp("words")) as company, browsing() as page:
        yield company, page


def test_the_words_of_a_link_that_no_sign_in_belongs_to_are_not_shown(site_and_page: tuple[Company, Page]) -> None:
    company, page = site_and_page
    page.goto(
        f"{company.site.url}/login/oidc/corp/callback?error=invalid_request&error_description=Call+555+now&state=x"
    )
    page.get_by_text("This sign-in was already used").wait_for()
    assert "Call 555 now" not in page.content()
    assert "invalid_request: Call 555 now" in company.site.log


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desk"])
def test_the_pages_of_refusals_are_accessible_and_fit(
    site_and_page: tuple[Company, Page], size: str, scheme: str
) -> None:
    company, page = site_and_page
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        found[name] = violations(page)
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        page.evaluate("document.documentElement.style.fontSize = ''")
        found[name] += [f"overflows by {wide} pixels"] if wide > 0 else []

    width, height = SIZES[size]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    company.provider.refuses = {}
    company.sign_in(page, name="Eve", groups=["/platform", "g" * 900, HOSTILE])
    look("no role")
    company.sign_in(page, name="Eve")
    look("unknown")
    company.provider.refuses = {"error": "invalid_scope", "error_description": "Invalid scopes: openid profile groups"}
    company.sign_in(page)
    look("said")
    company.refused(page)
    look("refused")
    assert {name: broken for name, broken in found.items() if broken} == {}
