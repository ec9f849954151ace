"""Signing in, being redirected, and signing out."""

from __future__ import annotations

import pytest

from bootgrant.approval.operators import Role
from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.operator_plane.pages.arrival import local_path
from bootgrant.ports.people import Operator
from bootgrant.wire.secret import Secret
from support.office import Office, Person, text_of

pytestmark = pytest.mark.anyio
PASSWORD = "staple-horse-battery"


async def add_operator(office: Office, name: str = "ana") -> None:
    hashed = await Argon2Hasher().hash(Secret(PASSWORD))
    await office.site.database.operators.add_operator(Operator(name, hashed, office.site.clock.now(), Role.ADMIN))


async def sign_in(browser: Person, goal: str = "/", password: str = PASSWORD) -> int:
    return (await browser.send("/login", name="ana", password=password, next=goal)).status_code


async def sign_out(browser: Person) -> None:
    await browser.open("/")
    await browser.send("/logout")


async def test_a_page_that_needs_a_session_redirects_to_the_sign_in_and_back(office: Office) -> None:
    await add_operator(office)
    browser = office.browser()
    page = await browser.open("/d/BCDF-GHJK")
    assert (page.status_code, page.headers["location"]) == (303, "/login?next=%2Fd%2FBCDF-GHJK")
    form = await browser.open(page.headers["location"])
    assert 'name="next" value="/d/BCDF-GHJK"' in form.text
    answer = await browser.send("/login", name="ana", password=PASSWORD, next="/d/BCDF-GHJK")
    assert (answer.status_code, answer.headers["location"]) == (303, "/d/BCDF-GHJK")
    assert (await browser.open("/d/BCDF-GHJK")).status_code == 404


async def test_scripts_and_other_sites_cannot_use_the_session_cookie(office: Office) -> None:
    await add_operator(office)
    answer = await office.browser().send("/login", name="ana", password=PASSWORD, next="/")
    session, device = (cookie.lower() for cookie in answer.headers.get_list("set-cookie"))
    assert session.startswith("bootgrant=")
    assert device.startswith("bootgrant-device=")
    for cookie in (session, device):
        assert "httponly" in cookie
        assert "path=/" in cookie
    assert "samesite=lax" in session
    assert "samesite=strict" in device


async def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(office: Office) -> None:
    await add_operator(office)
    pages = [await office.browser().send("/login", name=name, password="no", next="/") for name in ("ana", "eve")]
    assert [page.status_code for page in pages] == [403, 403]
    assert pages[0].text.replace('value="ana"', 'value="eve"') == pages[1].text
    assert "Wrong name or password" in text_of(pages[0])
    assert "set-cookie" not in pages[0].headers


async def test_signing_in_again_replaces_the_session(office: Office) -> None:
    await add_operator(office)
    browser = office.browser()
    assert await sign_in(browser) == 303
    old = browser.client.cookies["bootgrant"]
    assert await sign_in(browser) == 303
    assert browser.client.cookies["bootgrant"] != old
    browser.client.cookies.set("bootgrant", old, domain="boot.example")
    assert (await browser.open("/")).status_code == 303


async def test_signing_out_ends_the_session_in_the_store(office: Office) -> None:
    person = await office.person()
    cookie = person.client.cookies["bootgrant"]
    await person.open("/")
    assert (await person.send("/logout")).headers["location"] == "/login"
    person.client.cookies.set("bootgrant", cookie, domain="boot.example")
    assert (await person.open("/")).headers["location"].startswith("/login")


async def test_wrong_passwords_from_one_address_are_rate_limited(office: Office) -> None:
    browser = office.browser()
    statuses = [(await browser.send("/login", name=f"guess{i}", password="", next="/")).status_code for i in range(11)]
    assert statuses == [403] * 10 + [429]
    page = await browser.send("/login", name="guess", password="", next="/")
    assert page.headers["retry-after"] == "30"
    assert "Waiting machines keep waiting" in text_of(page)


async def test_the_form_redirects_an_operator_who_is_already_signed_in(office: Office) -> None:
    person = await office.person()
    assert (await person.open("/login?next=/device")).headers["location"] == "/device"


@pytest.mark.parametrize(
    "goal",
    ["//evil.example/", "/\\evil.example", "https://evil.example/", "javascript:alert(1)", "", "x", "/a b", "/\n/x",
     "/" + "a" * 5000],
)  # fmt: skip
def test_a_sign_in_cannot_redirect_to_another_site(goal: str) -> None:
    assert local_path(goal) == "/"


def test_a_sign_in_can_redirect_to_a_page_of_this_site() -> None:
    assert local_path("/requests/ab?reason=not%20today") == "/requests/ab?reason=not%20today"


async def test_the_form_warns_about_an_unencrypted_connection(office: Office) -> None:
    assert "not encrypted" in text_of(await office.browser().open("/login"))


async def test_the_right_password_works_on_a_known_browser_while_four_addresses_guess(office: Office) -> None:
    await add_operator(office)
    known, statuses = office.browser("203.0.113.9"), []
    assert await sign_in(known) == 303
    strangers = [office.browser(f"192.0.2.{number}") for number in range(4)]
    for _ in range(7):
        for stranger in strangers:
            await sign_in(stranger, password="guess")
        await sign_out(known)
        statuses.append(await sign_in(known))
        office.site.clock.advance(15)
    assert statuses == [303] * 7
    guesses = [await sign_in(office.browser(f"198.51.100.{number}"), password="guess") for number in range(3)]
    assert guesses[-1] == 429
    assert await sign_in(strangers[0]) == 429
    assert await sign_in(office.browser("203.0.113.9")) == 303


async def test_every_sign_in_gives_the_browser_another_proof_which_opens_no_page(office: Office) -> None:
    await add_operator(office)
    browser, proofs = office.browser(), set()
    for _ in range(2):
        assert await sign_in(browser) == 303
        proofs.add(browser.client.cookies["bootgrant-device"])
    assert len(proofs) == 2
    await sign_out(browser)
    assert browser.client.cookies["bootgrant-device"] in proofs
    assert (await browser.open("/")).headers["location"].startswith("/login")
    browser.client.cookies.set("bootgrant", browser.client.cookies["bootgrant-device"], domain="boot.example")
    assert (await browser.open("/")).headers["location"].startswith("/login")
