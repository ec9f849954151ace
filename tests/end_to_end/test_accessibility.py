"""Every page for operators, light and dark, on phone and desktop: axe finds nothing, nothing overflows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from support.axe import violations
from support.browser import ServedApp, chromium
from support.rack import PUBLIC_URL, Rack, rack, views
from support.visits import WEIGHT, entered


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rack, ServedApp]]:
    with rack(tmp_path_factory.mktemp("rack")) as made, ServedApp(made.site.built.public) as served:
        served.run(made.fill)
        yield made, served


@pytest.fixture(scope="module")
def browser(site: tuple[Rack, ServedApp]) -> Iterator[Browser]:
    with chromium(f"MAP boot.example:8080 127.0.0.1:{site[1].port}") as running:
        yield running


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desk"])
def test_axe_finds_nothing(site: tuple[Rack, ServedApp], browser: Browser, size: str, scheme: str) -> None:
    found = {}
    for signed_in in (True, False):
        with entered(browser, size, scheme, signed_in=signed_in) as context:
            page = context.new_page()
            for view in views(site[0]):
                if view.signed_in is signed_in:
                    view.open(page)
                    found[view.name] = violations(page)
    assert {name: broken for name, broken in found.items() if broken} == {}


OVERFLOWING = """const right = (element) => element.getBoundingClientRect().right;
[...document.querySelectorAll(".panel *")]
  .filter((element) => element.checkVisibility() && !element.closest(".unseen, .line.tall *"))
  .filter((element) => right(element) > right(element.closest(".panel")) + 1)
  .map((element) => element.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_nothing_overflows_its_panel(site: tuple[Rack, ServedApp], browser: Browser, size: str) -> None:
    found = {}
    with entered(browser, size, "light") as context:
        page = context.new_page()
        for view in (view for view in views(site[0]) if view.signed_in):
            view.open(page)
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            found[view.name] = [*page.evaluate(OVERFLOWING), *(["the page"] if wide > 0 else [])]
    assert {name: over for name, over in found.items() if over} == {}


def test_axe_finds_deliberate_mistakes(site: tuple[Rack, ServedApp], browser: Browser) -> None:
    with entered(browser, "desk", "light") as context:
        page = context.new_page()
        page.goto(PUBLIC_URL)
        page.evaluate("document.querySelector('input[name=q]').removeAttribute('aria-label')")
        page.evaluate("document.querySelector('input[name=q]').removeAttribute('placeholder')")
        page.evaluate("document.querySelector('h1').style.color = '#ccc'")
        assert {rule.partition(":")[0] for rule in violations(page)} == {"label", "color-contrast"}


def test_every_page_with_its_files_is_smaller_than_sixty_kilobytes(
    site: tuple[Rack, ServedApp], browser: Browser
) -> None:
    weights = {}
    with entered(browser, "phone", "light") as context:
        page = context.new_page()
        for view in views(site[0]):
            if view.signed_in:
                view.open(page)
                weights[view.name] = page.evaluate(WEIGHT)
    assert max(weights.values()) < 60_000, weights
    assert min(weights.values()) > 10_000, weights
