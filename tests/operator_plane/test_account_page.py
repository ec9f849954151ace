"""The operator's own account: the list of sessions, and signing in again before critical steps."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from bootgrant.approval.operators import Kind, Role
from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.operator_plane.pages.account import place_of
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.people import Operator, Stage
from bootgrant.wire.secret import Secret
from support.office import Office, Person, text_of

pytestmark = pytest.mark.anyio
PASSWORD = "staple-horse-battery"
PHONE = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Mobile Safari/537.36"


async def signed_in(office: Office, browser: str = "Mozilla/5.0 (X11; Linux) Firefox/140.0") -> Person:
    operators = office.site.database.operators
    if await operators.find_operator("ana") is None:
        hashed = await Argon2Hasher().hash(Secret(PASSWORD))
        await operators.add_operator(Operator("ana", hashed, office.site.clock.now(), Role.APPROVER))
    person = office.browser()
    person.client.headers["user-agent"] = browser
    await person.send("/login", name="ana", password=PASSWORD, next="/")
    return person


async def test_an_operator_can_see_their_sessions_and_end_another_one(office: Office) -> None:
    desk, phone = await signed_in(office), await signed_in(office, PHONE)
    page = await desk.open("/account")
    assert "Firefox on Linux · this session" in text_of(page)
    assert "Chrome on Android" in text_of(page)
    [key] = re.findall(r'name="session" value="([0-9a-f]+)"', page.text)
    assert (await desk.send("/account/sessions/end", session=key)).headers["location"] == "/account"
    assert (await phone.open("/")).headers["location"].startswith("/login?")
    assert (await desk.open("/")).status_code == 200


async def test_an_operator_ends_all_their_other_sessions_at_once(office: Office) -> None:
    desk, ben = await signed_in(office), await office.person("ben")
    assert "End all other sessions" not in text_of(await desk.open("/account"))
    others = [await signed_in(office, PHONE) for _ in range(2)]
    assert "End all other sessions" in text_of(await desk.open("/account"))
    await desk.send("/account/sessions/end", session="others")
    for other in others:
        assert (await other.open("/")).headers["location"].startswith("/login?")
    for stays in (desk, ben):
        assert (await stays.open("/")).status_code == 200
    (record,) = await office.site.database.audit.newest(AuditFilter(), 1)
    assert (record.event.actor, record.event.details["done"]) == ("ana", "ended all other sessions")


async def test_nobody_can_end_the_session_of_another_operator(office: Office) -> None:
    ana, ben = await signed_in(office), await office.person("ben")
    await ben.open("/account")
    (session,) = await office.site.database.operators.sessions_of("ana")
    for key in (session.digest.hex(), "x", ""):
        await ben.send("/account/sessions/end", session=key)
    assert (await ana.open("/")).status_code == 200


async def test_the_list_of_sessions_does_not_reveal_a_session(office: Office) -> None:
    person = await signed_in(office)
    assert person.client.cookies["bootgrant"] not in (await person.open("/account")).text


async def test_an_old_sign_in_is_repeated_and_returns_to_the_page(office: Office) -> None:
    person = await signed_in(office)
    office.site.clock.advance(16 * 60)
    old = person.client.cookies["bootgrant"]
    form = await person.open("/login/again?next=/requests/ab%3Freason%3Dno")
    assert "Confirm that you are ana" in text_of(form)
    wrong = await person.send("/login/again", password="no", next="/device")
    assert (wrong.status_code, "Wrong name or password" in text_of(wrong)) == (403, True)
    answer = await person.send("/login/again", password=PASSWORD, next="/requests/ab?reason=no")
    assert (answer.status_code, answer.headers["location"]) == (303, "/requests/ab?reason=no")
    assert person.client.cookies["bootgrant"] != old
    (session,) = await office.site.database.operators.sessions_of("ana")
    assert session.authenticated_at == office.site.clock.now()


async def test_wrong_passwords_on_the_second_form_count_with_those_on_the_first(office: Office) -> None:
    person = await signed_in(office)
    # Without this cookie, the browser has no attempts of its own.
    del person.client.cookies["bootgrant-device"]
    await person.open("/login/again")
    statuses = [(await person.send("/login/again", password="no", next="/")).status_code for _ in range(10)]
    assert statuses == [403] * 9 + [429]


async def test_the_audit_records_sign_in_and_sign_out_with_method_and_address(office: Office) -> None:
    person = await signed_in(office)
    await person.open("/account")
    await person.send("/logout")
    events = [chained.event for chained in await office.site.database.audit.newest(AuditFilter(actor="ana"), 9)]
    assert [(event.kind.value, event.via, event.address) for event in events] == [
        ("signed-out", "session", "10.0.0.5"),
        ("signed-in", "session", "10.0.0.5"),
    ]


async def test_the_audit_names_a_break_glass_sign_in(office: Office) -> None:
    hashed = await Argon2Hasher().hash(Secret(PASSWORD))
    glass = Operator("glass", hashed, office.site.clock.now(), Role.ADMIN, kind=Kind.BREAK_GLASS)
    await office.site.database.operators.add_operator(glass)
    browser = office.browser()
    await browser.send("/login", name="glass", password=PASSWORD, next="/")
    assert "break-glass password" in text_of(await browser.open("/account"))
    (event,) = [chained.event for chained in await office.site.database.audit.newest(AuditFilter(), 9)]
    assert (event.kind.value, event.actor) == ("signed-in", "glass (break-glass)")


async def test_an_incomplete_sign_in_only_opens_its_next_step(office: Office) -> None:
    person = await office.person(stage=Stage.SECOND_FACTOR)
    for path in ("/", "/account", "/device", "/login/again"):
        page = await person.open(path)
        assert page.headers["location"].startswith("/login/second?next=")
    enrolling = await office.person("ben", stage=Stage.ENROLMENT)
    assert (await enrolling.open("/d/BBBB-BBBB")).headers["location"] == ("/account/passkeys/new?next=%2Fd%2FBBBB-BBBB")


async def test_typed_text_comes_back_after_the_session_has_ended(office: Office) -> None:
    office.configure()
    person = await office.person("ben")
    grant, _ = await office.machine()
    await person.open(f"/requests/{grant.grant_id}")
    person.client.cookies.clear()
    reason = "gehört nach Frankfurt & nicht hierher"
    lost = await person.send(f"/requests/{grant.grant_id}/deny", reason=reason, password="not this")
    goal = lost.headers["location"]
    assert goal.startswith(f"/login?next=%2Frequests%2F{grant.grant_id}%3Freason%3D")
    assert "not" not in goal.replace("nicht", "")
    back = await signed_in(office)
    answer = await back.send("/login", name="ana", password=PASSWORD, next=unquote(goal.partition("next=")[2]))
    page = await back.open(answer.headers["location"])
    assert "gehört nach Frankfurt &amp; nicht hierher" in page.text


async def test_a_page_of_an_earlier_sign_in_returns_the_typed_text(office: Office) -> None:
    person = await signed_in(office)
    grant, _ = await office.machine()
    stale = await person.send(f"/requests/{grant.grant_id}/deny", csrf="of another session", reason="not today")
    assert stale.status_code == 403
    assert "What you typed is kept" in text_of(stale)
    assert f'href="/requests/{grant.grant_id}?reason=not+today"' in stale.text


@pytest.mark.parametrize(
    ("browser", "place"),
    [(PHONE, "Chrome on Android"), ("curl/8", "Unknown browser"), ("", "Unknown browser"),
     ("x Windows", "A browser on Windows")],
)  # fmt: skip
def test_a_browser_gets_a_short_name(browser: str, place: str) -> None:
    assert place_of(browser) == place
