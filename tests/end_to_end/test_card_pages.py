"""The card in Chromium: what is on the first screen of a phone, and the way to the code field by keyboard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from support.browser import ServedApp, chromium
from support.rack import PUBLIC_URL, SESSION, Rack, rack

SIZES = {"phone": (390, 844), "desk": (1280, 800)}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rack, ServedApp]]:
    with rack(tmp_path_factory.mktemp("card")) as made, ServedApp(made.site.built.public) as served:
        served.run(made.fill)
        yield made, served


@pytest.fixture(scope="module")
def browser(site: tuple[Rack, ServedApp]) -> Iterator[Browser]:
    with chromium(f"MAP boot.example:8080 127.0.0.1:{site[1].port}") as running:
        yield running


@pytest.fixture(params=list(SIZES))
def context(browser: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    with entered(browser, request.param) as made:
        yield made


def entered(browser: Browser, size: str, *, scripts: bool = True) -> BrowserContext:
    width, height = SIZES[size]
    made = browser.new_context(
        viewport={"width": width, "height": height}, has_touch=size == "phone", java_script_enabled=scripts
    )
    made.set_default_timeout(20_000)
    made.add_cookies([{"name": "bootgrant", "value": SESSION.reveal(), "url": PUBLIC_URL}])
    return made


def open_card(context: BrowserContext, site: tuple[Rack, ServedApp], name: str) -> Page:
    page = context.new_page()
    page.goto(f"{PUBLIC_URL}/requests/{site[0].grants[name]}")
    return page


def bottom(page: Page, selector: str) -> float:
    boxes = [each.bounding_box() for each in page.locator(selector).all()]
    return max(box["y"] + box["height"] for box in boxes if box)


@pytest.mark.parametrize("name", ["cp-1", "worker-17", "rival", "changed", "pattern", "assigned", "unknown", "hostile"])
def test_what_is_printed_on_the_machine_is_above_the_decision(
    site: tuple[Rack, ServedApp], browser: Browser, name: str
) -> None:
    with entered(browser, "phone") as context:
        page = open_card(context, site, name)
        bar = page.locator(".actions").bounding_box()
        assert bar is not None
        assert bar["y"] + bar["height"] <= SIZES["phone"][1] + 1
        assert bottom(page, ".printed") < bar["y"]
        assert page.locator(".printed .claim").first.evaluate("(e) => getComputedStyle(e).fontSize") == "20px"
        for warning in page.locator(".who-panel .changes, .against li:first-child").all():
            box = warning.bounding_box()
            assert box is not None
            assert box["y"] + box["height"] < bar["y"]


def test_every_mark_has_words_and_what_was_not_checked_opens(
    site: tuple[Rack, ServedApp], context: BrowserContext
) -> None:
    page = open_card(context, site, "cp-1")
    words = page.locator(".printed > div").all_text_contents()
    assert [" ".join(each.split()) for each in words] == [
        "Serial 0OCZJ19N65 ✓matches the inventory",
        "MAC 52:2f:fd:df:fc:c0 \u2013not checked",
        "UUID …aaee44a51fda ✓matches the inventory",
    ]
    finding = page.get_by_text("cp-1 does not specify a mac")
    expect(finding).to_be_hidden()
    page.get_by_text("1 not checked (inventory)").click()
    expect(finding).to_be_visible()


@pytest.mark.parametrize("name", ["cp-1", "rival", "changed", "unknown", "pattern"])
def test_the_field_is_at_most_five_tab_stops_away(
    site: tuple[Rack, ServedApp], context: BrowserContext, name: str
) -> None:
    page = open_card(context, site, name)
    target = "#suffix" if page.locator("#suffix").count() else ".actions a, .actions summary"
    stops = 0
    while not page.evaluate("(target) => document.activeElement.matches(target)", target):
        page.keyboard.press("Tab")
        stops += 1
        assert stops <= 5


HIDDEN = """() => {
  const [at, bar] = [document.activeElement, document.querySelector(".actions")];
  const [mine, theirs] = [at.getBoundingClientRect(), bar.getBoundingClientRect()];
  return at.closest("main") && !bar.contains(at) && mine.bottom > theirs.top ? at.outerHTML : "";
}"""


@pytest.mark.parametrize("name", ["cp-1", "worker-17", "rival", "changed", "pattern", "unknown", "hostile"])
def test_what_has_the_focus_is_never_under_the_decision(
    site: tuple[Rack, ServedApp], browser: Browser, name: str
) -> None:
    with entered(browser, "phone") as context:
        page = open_card(context, site, name)
        page.locator("main").focus()
        for _ in range(16):
            page.keyboard.press("Tab")
            assert page.evaluate(HIDDEN) == ""


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_after_a_wrong_entry_the_next_four_characters_can_be_typed_at_once(
    site: tuple[Rack, ServedApp], browser: Browser, scripts: bool
) -> None:
    with entered(browser, "phone", scripts=scripts) as context:
        page = open_card(context, site, "pattern")
        page.get_by_label("Last four characters").fill("bbbb")
        page.get_by_role("button", name="Approve").click()
        expect(page.get_by_role("alert")).to_contain_text("does not end in bbbb", ignore_case=True)
        expect(page.get_by_label("Last four characters")).to_be_focused()
        page.keyboard.type("WXZQ")
        expect(page.get_by_label("Last four characters")).to_have_value("WXZQ")


def test_nothing_hides_the_card_at_twice_the_text_size(site: tuple[Rack, ServedApp], context: BrowserContext) -> None:
    page = open_card(context, site, "rival")
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    for selector in (".printed", ".against"):
        page.locator(selector).scroll_into_view_if_needed()
        expect(page.locator(selector)).to_be_in_viewport()


STALE = """() => {
  document.querySelector("[data-part=evidence]").append("stale");
  document.querySelector("[data-live]").dataset.version = "";
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_live_update_keeps_what_is_open_and_where_the_focus_is(
    site: tuple[Rack, ServedApp], context: BrowserContext
) -> None:
    page = open_card(context, site, "cp-1")
    summary = page.get_by_text("1 not checked (inventory)")
    summary.press("Enter")
    page.evaluate(STALE)
    expect(page.locator("[data-part=evidence]")).not_to_contain_text("stale")
    expect(page.get_by_text("cp-1 does not specify a mac")).to_be_visible()
    expect(summary).to_be_focused()


def test_a_live_update_leaves_alike_parts_with_times_as_they_are(
    site: tuple[Rack, ServedApp], context: BrowserContext
) -> None:
    page = open_card(context, site, "changed")
    page.evaluate("document.querySelector('.warning').dataset.same = '1'")
    page.evaluate(STALE.replace("[data-part=evidence]", "[data-part=printed]"))
    expect(page.locator("[data-part=printed]")).not_to_contain_text("stale")
    expect(page.locator(".warning[data-same] time")).to_be_visible()
