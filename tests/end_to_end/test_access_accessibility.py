"""Every Access page, light and dark, on phone and desktop: axe finds nothing, nothing overflows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from support.access_rack import AccessRack, access_rack, access_views
from support.axe import violations
from support.browser import ServedApp, chromium

SIZES = {"phone": (390, 844), "desk": (1280, 800)}
OVERFLOWING = """const right = (element) => element.getBoundingClientRect().right;
[...document.querySelectorAll(".panel *, .cards *, .people *, .places *")]
  .filter((element) => element.checkVisibility() && !element.closest(".unseen"))
  .filter((element) => right(element) > right(element.closest(".panel, .cards > li, .people > li, .places > li")) + 1)
  .map((element) => element.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[AccessRack, ServedApp]]:
    with access_rack(tmp_path_factory.mktemp("rack")) as made, ServedApp(made.site.built.public) as served:
        served.run(made.fill)
        yield made, served


@pytest.fixture(scope="module")
def browser(site: tuple[AccessRack, ServedApp]) -> Iterator[Browser]:
    with chromium(f"MAP boot.example:8080 127.0.0.1:{site[1].port}") as running:
        yield running


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desk"])
def test_axe_finds_nothing_and_nothing_overflows(
    site: tuple[AccessRack, ServedApp], browser: Browser, size: str, scheme: str
) -> None:
    width, height = SIZES[size]
    found: dict[str, object] = {}
    with browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
    ) as context:
        page = context.new_page()
        for view in access_views(site[0]):
            view.open(page)
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            over = page.evaluate(OVERFLOWING) if scheme == "light" else []
            found[view.name] = [*violations(page), *over, *(["the page"] if wide > 0 else [])]
    assert {name: broken for name, broken in found.items() if broken} == {}
