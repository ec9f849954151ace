"""What is around every page: the site's name and colour, the navigation, also on error pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from bootgrant.approval.operators import Role
from bootgrant.operator_plane.app import PAGES
from bootgrant.operator_plane.frame import NAVIGATION, Colour
from bootgrant.operator_plane.rendering import static_file
from bootgrant.operator_plane.wording import text
from bootgrant.service.settings.setting import SettingsError
from bootgrant.service.settings.site import load_site
from support.office import Office
from support.site import site_in_process

pytestmark = pytest.mark.anyio
SERVED = {page.path: page.permission for page in PAGES if page.method == "GET"}


def links_of(page: httpx2.Response) -> list[str]:
    """Return the addresses in the navigation, each once."""
    found = re.search(r"(?s)<nav class=\"bar\".*?</nav>", page.text)
    return list(dict.fromkeys(re.findall(r'href="([^"]+)"', found[0]))) if found else []


@pytest.fixture
def named(tmp_path: Path) -> Iterator[Office]:
    with site_in_process(tmp_path, "[site]", 'name = "fra <production>"', 'colour = "violet"') as site:
        yield Office(site)


def test_a_link_of_the_navigation_is_for_those_who_may_open_its_page() -> None:
    for link in NAVIGATION:
        assert link.path not in SERVED or SERVED[link.path] is link.permission, link


@pytest.mark.parametrize("role", Role)
async def test_every_link_of_the_navigation_opens_a_page_that_marks_it(office: Office, role: Role) -> None:
    person = await office.person("ana", role)
    links = links_of(await person.open("/"))
    assert {"/", "/machines", "/device", "/audit", "/settings"} <= set(links)
    for path in (path for path in links if path in SERVED):
        page = await person.open(path)
        assert page.status_code == 200
        assert f'href="{path}" aria-current="page"' in re.sub(r' class="(near|far)"', "", page.text), path


async def test_the_name_and_the_colour_of_the_site_are_on_every_page(named: Office) -> None:
    person = await named.person("ana")
    for page in (
        await named.browser().open("/login"),
        await named.browser().open("/nowhere"),
        await person.open("/"),
        await person.open("/nowhere"),
        await named.browser().open("/", headers={"host": "elsewhere.example"}),
    ):
        assert 'data-colour="violet"' in page.text
        assert '<meta name="theme-color" content="#5f3a9e">' in page.text
        assert " · fra &lt;production&gt; · bootgrant</title>" in page.text
        assert "<span>fra &lt;production&gt;</span>" in page.text


async def test_a_site_without_a_name_is_called_by_its_host_name(office: Office) -> None:
    page = await office.browser().open("/login")
    assert "<span>boot.example</span>" in page.text


def test_a_colour_that_means_a_problem_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "bootgrant.toml"
    config.write_text('public_url = "http://boot.example:8080"\n[site]\ncolour = "red"\n')
    with pytest.raises(SettingsError, match="'red' is not one of teal, blue, violet, magenta, grey"):
        load_site(config)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/audit", 405)])
async def test_an_error_page_has_the_navigation_of_a_person(
    office: Office, method: str, path: str, status: int
) -> None:
    person = await office.person("ana")
    page = await person.client.request(method, path)
    assert page.status_code == status
    assert "/audit" in links_of(page)
    assert "ana" in page.text
    assert 'name="csrf"' in page.text


async def test_an_error_page_of_a_stranger_has_no_navigation(office: Office) -> None:
    page = await office.browser().open("/nowhere")
    assert page.status_code == 404
    assert links_of(page) == []


async def test_a_wrong_host_name_links_to_the_right_one_and_to_nobody_s_session(office: Office) -> None:
    person = await office.person("ana")
    page = await person.client.get("/audit", headers={"host": "elsewhere.example"})
    assert page.status_code == 421
    assert "http://boot.example:8080/audit" in links_of(page)
    assert text("site.sign_out") not in page.text
    assert all(link.startswith("http://boot.example:8080/") for link in links_of(page))


async def test_an_installed_page_has_the_colour_of_the_site(named: Office) -> None:
    manifest = (await named.browser().open("/manifest.webmanifest")).json()
    assert manifest["theme_color"] == Colour.VIOLET.shade


def test_the_colours_are_those_of_the_style() -> None:
    style = static_file("pages.css").decode()
    for colour in Colour:
        selector = ":root" if colour is Colour.TEAL else f'[data-colour="{colour.value}"]'
        assert re.search(rf"{re.escape(selector)} {{[^}}]*--site: {colour.shade};", style), colour
