"""The header, the navigation, and times: by thumb on a phone, with large text, in the zone of the person."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from bootgrant.approval.grant import DeviceGrant, Refusal
from bootgrant.operator_plane.app import PAGES
from bootgrant.operator_plane.frame import NAVIGATION
from bootgrant.operator_plane.wording import text
from support.browser import ServedApp, chromium
from support.grants import NOW
from support.rack import PUBLIC_URL, SESSION, Rack, rack, views

SERVED = {page.path for page in PAGES}
LINKS = [link for link in NAVIGATION if link.path in SERVED]
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
TOKYO = "Asia/Tokyo"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rack, ServedApp]]:
    with rack(tmp_path_factory.mktemp("rack")) as made, ServedApp(made.site.built.public) as served:
        served.run(made.fill)
        yield made, served


@pytest.fixture(scope="module")
def browser(site: tuple[Rack, ServedApp]) -> Iterator[Browser]:
    with chromium(f"MAP boot.example:8080 127.0.0.1:{site[1].port}") as running:
        yield running


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as context:
        context.add_cookies([{"name": "bootgrant", "value": SESSION.reveal(), "url": PUBLIC_URL}])
        yield context.new_page()


def in_tokyo(browser: Browser, *, scripts: bool = True) -> Page:
    """Return a page in a context of its own, a minute after the machines asked."""
    context = browser.new_context(timezone_id=TOKYO, java_script_enabled=scripts)
    context.add_cookies([{"name": "bootgrant", "value": SESSION.reveal(), "url": PUBLIC_URL}])
    context.clock.set_fixed_time(datetime.fromtimestamp(NOW + 60, UTC))
    return context.new_page()


@pytest.mark.parametrize("start", ["/", "/audit", "/account"])
def test_every_page_is_at_most_two_taps_away_on_a_phone(phone: Page, start: str) -> None:
    for link in LINKS:
        phone.goto(PUBLIC_URL + start)
        navigation = phone.get_by_role("navigation")
        target = navigation.get_by_role("link", name=text(f"site.{link.here}"), exact=True)
        if not link.is_near:
            navigation.get_by_text(text("site.more")).tap()
        box = target.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["y"] > 844 / 2, "at the thumb"
        with phone.expect_navigation(url=PUBLIC_URL + link.path):
            target.tap()


def test_the_navigation_does_not_cover_the_decision(site: tuple[Rack, ServedApp], phone: Page) -> None:
    phone.goto(f"{PUBLIC_URL}/requests/{site[0].grants['cp-1']}")
    phone.get_by_role("button", name=text("card.approve")).click(trial=True)
    phone.get_by_role("navigation").get_by_role("link", name=text("site.queue")).tap()
    phone.wait_for_url(f"{PUBLIC_URL}/")


@pytest.mark.parametrize(("width", "size"), [(320, "100%"), (390, "200%"), (1280, "200%")])
def test_nothing_is_wider_than_the_screen(
    site: tuple[Rack, ServedApp], browser: Browser, width: int, size: str
) -> None:
    wide = {}
    with browser.new_context(viewport={"width": width, "height": 700}) as context:
        page = context.new_page()
        for view in views(site[0]):
            view.open(page)
            page.evaluate(f"document.documentElement.style.fontSize = '{size}'")
            wide[view.name] = page.evaluate(WIDER)
    assert {name: pixels for name, pixels in wide.items() if pixels > 0} == {}


def test_with_large_text_every_page_is_still_reachable(phone: Page) -> None:
    for link in LINKS:
        phone.goto(PUBLIC_URL)
        phone.evaluate("document.documentElement.style.fontSize = '200%'")
        target = phone.get_by_role("navigation").get_by_role("link", name=text(f"site.{link.here}"), exact=True)
        if not target.is_visible():
            phone.get_by_role("navigation").get_by_text(text("site.more")).tap()
        with phone.expect_navigation(url=PUBLIC_URL + link.path):
            target.tap()


def test_a_time_is_in_the_zone_of_the_person_with_utc_as_its_title(
    site: tuple[Rack, ServedApp], browser: Browser
) -> None:
    page = in_tokyo(browser)
    page.goto(f"{PUBLIC_URL}/audit")
    first = page.locator(".log time").first
    expect(first).to_have_text("today 17:00:30")
    expect(first).to_have_attribute("title", "2027-01-15 08:00:30 UTC")
    expect(page.get_by_text("8 Jan, 17:01:01")).to_be_visible()
    page.goto(f"{PUBLIC_URL}/requests/{site[0].grants['denied']}")
    expect(page.get_by_text("ben, 17:00:30")).to_be_visible()
    page.context.close()


def test_a_time_is_utc_without_scripts(browser: Browser) -> None:
    page = in_tokyo(browser, scripts=False)
    page.goto(f"{PUBLIC_URL}/audit")
    expect(page.locator(".log time").first).to_have_text("2027-01-15 08:00:30 UTC")
    page.context.close()


def test_a_time_that_arrives_with_a_live_update_is_in_the_zone_too(
    site: tuple[Rack, ServedApp], browser: Browser
) -> None:
    rules, grant_id = site[0].site.site.grants, site[0].grants["approved"]

    def downloads(grant: DeviceGrant) -> DeviceGrant | Refusal:
        return grant.redeem("talos", b"u" * 32, rules, NOW + 45)

    page = in_tokyo(browser)
    page.goto(f"{PUBLIC_URL}/requests/{grant_id}")
    expect(page.locator(".steps .current")).to_have_count(1)
    before = page.locator(".steps").inner_text()
    site[1].run(lambda: site[0].site.database.grants.change_grant(grant_id, downloads))
    expect(page.locator(".steps")).not_to_have_text(before, use_inner_text=True)
    assert "UTC" not in page.locator(".steps").inner_text()
    page.context.close()
