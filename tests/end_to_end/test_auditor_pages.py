"""An auditor at work in Chromium: reads the queue, a card, the audit and the settings, and acts on nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from playwright.sync_api import Browser, Page

from support.axe import violations
from support.browser import chromium
from support.grants import UUID
from support.site import Served, served

SIZES = {"phone": (390, 844), "desk": (1280, 800)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, str, str]]:
    """A site with a waiting machine and an armed window; the password of the auditor olaf, and the machine's link."""
    with served(tmp_path_factory.mktemp("auditor")) as running:
        made = running.command("operators", "add", "olaf", "--role", "auditor", "--json")
        armed = running.command("arm", "rack4-*", "--for", "1h", "--count", "3", "--name", "move", "--force")
        assert armed.returncode == 0, armed.stderr
        form = {"client_id": "talos", "uuid": UUID}
        codes = httpx2.post(f"{running.url}/device/code", data=form, trust_env=False).raise_for_status().json()
        yield running, str(json.loads(made.stdout)["password"]), str(codes["verification_uri_complete"])


@pytest.fixture(scope="module")
def browser(site: tuple[Served, str, str]) -> Iterator[Browser]:
    assert site[0].url, "a site is made before the browser's loop runs"
    with chromium() as running:
        yield running


@contextmanager
def signed_in(browser: Browser, url: str, password: str, size: str) -> Iterator[Page]:
    width, height = SIZES[size]
    with browser.new_context(viewport={"width": width, "height": height}, has_touch=size == "phone") as context:
        context.set_default_timeout(20_000)
        page = context.new_page()
        page.goto(f"{url}/")
        page.get_by_label("Name").fill("olaf")
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("heading", name="Waiting machines").wait_for()
        yield page


def follow(page: Page, name: str) -> None:
    """Open a page by its link in the menu, which a phone hides below "More"."""
    if not (link := page.get_by_role("navigation").get_by_role("link", name=name)).is_visible():
        page.locator("details.more summary").click()
        link = page.locator("details.more").get_by_role("link", name=name)
    link.click()
    page.wait_for_load_state()


@pytest.mark.parametrize("size", SIZES)
def test_an_auditor_reads_everything_but_the_configuration(
    site: tuple[Served, str, str], browser: Browser, size: str
) -> None:
    running, password, link = site
    with signed_in(browser, running.url, password, size) as page:
        found = {"queue": violations(page)}
        assert page.get_by_text("move", exact=True).count() == 1
        assert page.get_by_text("Close…").count() == 0
        page.get_by_role("link", name=f"{UUID}.yaml").click()
        page.get_by_role("heading", name=f"{UUID}.yaml").wait_for()
        found["card"] = violations(page)
        assert page.locator("a[href$='/configuration']").count() == 0
        assert page.locator("main form").count() == 0
        assert page.get_by_text("You can view requests, but not decide about them.").is_visible()
        card = page.url
        refused = page.goto(f"{card}/configuration")
        assert refused is not None
        assert refused.status == 403
        assert page.get_by_text("This requires the role viewer, approver or admin.").is_visible()
        found["refused"] = violations(page)
        for name in ("Audit", "Settings"):
            follow(page, name)
            page.get_by_role("heading", level=1).filter(has_text=name).wait_for()
            found[name] = violations(page)
            assert page.locator("main form[method=post]").count() == 0
        page.goto(link)
        assert page.url == card
        assert link.rpartition("/")[2][-4:] not in page.content()
    assert {name: broken for name, broken in found.items() if broken} == {}


@pytest.mark.parametrize("size", SIZES)
def test_an_auditor_creates_a_token_that_lists_operators(
    site: tuple[Served, str, str], browser: Browser, size: str
) -> None:
    running, password, _ = site
    with signed_in(browser, running.url, password, size) as page:
        page.goto(f"{running.url}/account/tokens/new")
        assert page.get_by_label("Role").locator("option").all_inner_texts() == ["auditor"]
        page.get_by_label("Name").fill(f"laptop-{size}")
        page.get_by_role("button", name="Create").click()
        token = page.locator("input[value^=bootgrant_]").input_value()
        assert violations(page) == []
    headers = {"Authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=running.url, headers=headers, trust_env=False) as client:
        operators = client.get("/api/v1/operators").raise_for_status().json()["operators"]
        assert {one["name"]: one["role"] for one in operators} == {"ana": "admin", "olaf": "auditor"}
        refused = client.post("/api/v1/operators/ana/disable")
    assert (refused.status_code, refused.json()["error"]) == (403, "not_allowed")
