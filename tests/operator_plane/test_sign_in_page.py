"""Signing in, going on, signing out."""

from __future__ import annotations

import pytest

from bootgrant.approval.operators import Role
from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.operator_plane.arrival import local_path
from bootgrant.ports.people import Operator
from bootgrant.wire.secret import Secret
from support.office import Office, Person, text_of

pytestmark = pytest.mark.anyio
PASSWORD = "staple-horse-battery"


async def hire(office: Office, name: str = "ana") -> None:
    hashed = await Argon2Hasher().hash(Secret(PASSWORD))
    await office.site.database.operators.add_operator(Operator(name, hashed, office.site.clock.now(), Role.ADMIN))


async def sign_in(browser: Person, goal: str = "/", password: str = PASSWORD) -> int:
    return (await browser.send("/login", name="ana", password=password, next=goal)).status_code


async def test_a_page_that_needs_a_session_sends_one_to_sign_in_and_back(office: Office) -> None:
    await hire(office)
    browser = office.browser()
    page = await browser.open("/d/BCDF-GHJK")
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=%2Fd%2FBCDF-GHJK")
    form = await browser.open(page.headers["location"])
    assert 'name="next" value="/d/BCDF-GHJK"' in form.text
    answer = await browser.send("/login", name="ana", password=PASSWORD, next="/d/BCDF-GHJK")
    assert (answer.status_code, answer.headers["location"]) == (303, "/d/BCDF-GHJK")
    assert (await browser.open("/d/BCDF-GHJK")).status_code == 404


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_of_other_sites(office: Office) -> None:
    await hire(office)
    answer = await office.browser().send("/login", name="ana", password=PASSWORD, next="/")
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie


async def test_wrong_password_and_unknown_name_are_one_answer_that_keeps_the_name(office: Office) -> None:
    await hire(office)
    pages = [await office.browser().send("/login", name=name, password="no", next="/") for name in ("ana", "eve")]
    assert [page.status_code for page in pages] == [403, 403]
    assert pages[0].text.replace('value="ana"', 'value="eve"') == pages[1].text
    assert "Wrong name or password" in text_of(pages[0])
    assert "set-cookie" not in pages[0].headers


async def test_signing_in_again_makes_a_new_session_and_ends_the_old_one(office: Office) -> None:
    await hire(office)
    browser = office.browser()
    assert await sign_in(browser) == 303
    old = browser.client.cookies["bootgrant"]
    assert await sign_in(browser) == 303
    assert browser.client.cookies["bootgrant"] != old
    browser.client.cookies.set("bootgrant", old, domain="boot.example")
    assert (await browser.open("/")).status_code == 303


async def test_signing_out_ends_the_session_in_the_store_too(office: Office) -> None:
    person = await office.person()
    cookie = person.client.cookies["bootgrant"]
    await person.open("/")
    assert (await person.send("/logout")).headers["location"] == "/login"
    person.client.cookies.set("bootgrant", cookie, domain="boot.example")
    assert (await person.open("/")).headers["location"].startswith("/login")


async def test_many_wrong_passwords_from_one_address_are_slowed_down(office: Office) -> None:
    browser = office.browser()
    statuses = [(await browser.send("/login", name=f"guess{i}", password="", next="/")).status_code for i in range(11)]
    assert statuses == [403] * 10 + [429]
    page = await browser.send("/login", name="guess", password="", next="/")
    assert page.headers["retry-after"] == "30"
    assert "Machines that wait go on waiting" in text_of(page)


async def test_somebody_who_is_signed_in_is_sent_on_from_the_form(office: Office) -> None:
    person = await office.person()
    assert (await person.open("/login?next=/device")).headers["location"] == "/device"


@pytest.mark.parametrize(
    "goal",
    ["//evil.example/", "/\\evil.example", "https://evil.example/", "javascript:alert(1)", "", "x", "/a b", "/\n/x",
     "/" + "a" * 5000],
)  # fmt: skip
def test_a_sign_in_link_leads_nowhere_else(goal: str) -> None:
    assert local_path(goal) == "/"


def test_a_sign_in_link_leads_to_a_page_of_ours() -> None:
    assert local_path("/requests/ab?reason=not%20today") == "/requests/ab?reason=not%20today"


async def test_plain_http_beyond_this_computer_is_warned_about(office: Office) -> None:
    assert "not encrypted" in text_of(await office.browser().open("/login"))
