"""Typing the last four characters on the machine's screen before approving."""

from __future__ import annotations

import pytest

from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.transitions import GrantState
from bootgrant.operator_plane.forms import is_suffix
from bootgrant.wire.identity import MachineIdentity
from support.office import Office, text_of


async def state_of(office: Office, grant: DeviceGrant) -> GrantState:
    found = await office.site.database.grants.find_grant(grant.grant_id)
    assert found is not None
    return found.state


@pytest.mark.parametrize("typed", ["MJHT", "mjht", " m j-h t ", "WDJB-MJHT", "wdjbmjht"])
def test_the_last_four_letters_or_the_whole_code_are_accepted_in_any_spelling(typed: str) -> None:
    assert is_suffix(typed, "WDJB-MJHT")


@pytest.mark.parametrize("typed", ["", "WDJB", "MJH", "XMJHT", "MJHTX", "WDJX-MJHT", "\u041cJHT", "é"])
def test_anything_else_is_refused(typed: str) -> None:
    assert not is_suffix(typed, "WDJB-MJHT")


@pytest.mark.anyio
async def test_the_pages_do_not_show_the_last_four_characters(careful_office: Office) -> None:
    careful_office.configure()
    person = await careful_office.person()
    grant, code = await careful_office.machine()
    for path in ("/", f"/requests/{grant.grant_id}", "/batch"):
        page = (await person.open(path)).text
        assert code[:4] in page
        assert code[-4:] not in page.replace(person.csrf, "")


@pytest.mark.anyio
async def test_typing_them_approves_the_machine(careful_office: Office) -> None:
    careful_office.configure()
    person = await careful_office.person()
    grant, code = await careful_office.machine()
    await person.open(f"/requests/{grant.grant_id}")
    assert (await person.send(f"/requests/{grant.grant_id}/approve", suffix=code[-4:].lower())).status_code == 303
    assert await state_of(careful_office, grant) is GrantState.APPROVED


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("", "Type the last four characters"),
        ("BBBB", "code does not end in BBBB."),
        ('"><b>', 'code does not end in "><b>.'),
    ],
)
async def test_typing_something_else_shows_the_card_again_and_changes_nothing(
    careful_office: Office, typed: str, problem: str
) -> None:
    careful_office.configure()
    person = await careful_office.person()
    grant, _ = await careful_office.machine()
    await person.open(f"/requests/{grant.grant_id}")
    page = await person.send(f"/requests/{grant.grant_id}/approve", suffix=typed)
    assert page.status_code == 400
    assert problem in text_of(page)
    assert "<b>" not in page.text
    assert await state_of(careful_office, grant) is GrantState.PENDING


@pytest.mark.anyio
async def test_nothing_in_an_address_fills_in_the_four_characters(careful_office: Office) -> None:
    careful_office.configure()
    person = await careful_office.person()
    grant, code = await careful_office.machine()
    proof = "x" * 43
    for query in (f"suffix={code[-4:]}", f"suffix={code}&code={code}", f"typed={code}", f"typed={proof}"):
        page = await person.open(f"/requests/{grant.grant_id}?{query}&auto=1")
        assert 'enterkeyhint="go" data-suffix' in page.text
        assert 'pattern="([A-Za-z]{4}[ \\-]?)?[A-Za-z]{4}" value=""' in page.text
        assert code[-4:] not in page.text.replace(person.csrf, "")


@pytest.mark.anyio
async def test_the_proof_of_a_typed_code_ends_with_the_session(careful_office: Office) -> None:
    careful_office.configure()
    person = await careful_office.person()
    _, code = await careful_office.machine()
    await person.open("/device")
    address = (await person.send("/device", code=code)).headers["location"]
    assert "Last four characters" not in text_of(await person.open(address))
    later = await careful_office.person()
    assert "Last four characters" in text_of(await later.open(address))


@pytest.mark.anyio
async def test_what_proves_a_look_at_the_screen_is_in_no_address_after_a_sign_in(careful_office: Office) -> None:
    careful_office.configure()
    grant, code = await careful_office.machine()
    stranger = careful_office.browser()
    path = f"/requests/{grant.grant_id}"
    answer = await stranger.send(f"{path}/approve", suffix=code[-4:], typed="x" * 43, reason="hello")
    assert answer.headers["location"] == f"/login?next=%2Frequests%2F{grant.grant_id}%3Freason%3Dhello"


@pytest.mark.anyio
async def test_guessing_them_is_rate_limited(careful_office: Office) -> None:
    careful_office.configure()
    person = await careful_office.person()
    grant, code = await careful_office.machine()
    await person.open(f"/requests/{grant.grant_id}")
    path = f"/requests/{grant.grant_id}/approve"
    statuses = [(await person.send(path, suffix="BBBB")).status_code for _ in range(20)]
    assert statuses == [400] * 20
    assert (await person.send(path, suffix=code[-4:])).status_code == 429
    assert await state_of(careful_office, grant) is GrantState.PENDING


@pytest.mark.anyio
async def test_after_typing_the_whole_code_its_end_need_not_be_typed_again(careful_office: Office) -> None:
    careful_office.configure()
    person = await careful_office.person()
    grant, code = await careful_office.machine()
    await person.open("/device")
    card = await person.open((await person.send("/device", code=code)).headers["location"])
    assert "Last four characters" not in text_of(card)
    proof = card.text.partition('name="typed" value="')[2].partition('"')[0]
    assert (await person.send(f"/requests/{grant.grant_id}/approve", typed=proof)).status_code == 303


@pytest.mark.anyio
async def test_the_proof_of_another_person_or_request_is_refused(careful_office: Office) -> None:
    careful_office.configure()
    ana, ben = await careful_office.person("ana"), await careful_office.person("ben")
    _, code = await careful_office.machine(identity=MachineIdentity(serial="0OCZJ19N71"))
    other, _ = await careful_office.machine()
    await ana.open("/device")
    address = (await ana.send("/device", code=code)).headers["location"]
    proof = address.partition("typed=")[2]
    await ben.open(f"/requests/{other.grant_id}")
    for person in (ana, ben):
        assert (await person.send(f"/requests/{other.grant_id}/approve", typed=proof)).status_code == 400
    assert await state_of(careful_office, other) is GrantState.PENDING


@pytest.mark.anyio
async def test_an_entry_that_changed_since_the_page_was_shown_is_not_approved(office: Office) -> None:
    office.configure()
    person = await office.person()
    grant, _ = await office.machine()
    await person.open(f"/requests/{grant.grant_id}")
    page = await person.send(f"/requests/{grant.grant_id}/approve", seen="another configuration")
    assert page.status_code == 409
    assert "the entry for this machine has changed" in text_of(page)
    assert await state_of(office, grant) is GrantState.PENDING
