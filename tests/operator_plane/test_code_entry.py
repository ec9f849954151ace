"""Typing or scanning the code of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.office import Office, text_of
from support.site import site_in_process

pytestmark = pytest.mark.anyio


async def test_a_typed_code_leads_to_its_machine(office: Office) -> None:
    person = await office.person()
    grant, code = await office.machine()
    await person.open("/device")
    page = await person.send("/device", code=code)
    assert (page.status_code, page.headers["location"].partition("?")[0]) == (303, f"/requests/{grant.grant_id}")


@pytest.mark.parametrize("spelling", ["{0}{1}", "{0} {1}", " {0}-{1} ", "{0}.{1}", "{0}\u2013{1}"])
async def test_case_and_separators_of_a_typed_code_are_ignored(office: Office, spelling: str) -> None:
    person = await office.person()
    grant, code = await office.machine()
    await person.open("/device")
    page = await person.send("/device", code=spelling.format(*code.lower().split("-")))
    assert page.headers["location"].startswith(f"/requests/{grant.grant_id}?")


async def test_a_scanned_code_leads_to_its_machine(office: Office) -> None:
    person = await office.person()
    grant, code = await office.machine()
    assert (await person.open(f"/d/{code}")).headers["location"] == f"/requests/{grant.grant_id}"


async def test_unknown_expired_and_decided_codes_get_the_same_answer(office: Office) -> None:
    person = await office.person()
    office.configure()
    decided, used = await office.machine()
    await person.open(f"/requests/{decided.grant_id}")
    await person.send(f"/requests/{decided.grant_id}/approve")
    _, expired = await office.machine(expires_at=office.site.clock.now())
    answers = set()
    for code in (used, expired, "BBBB-BBBB"):
        page = await person.open(f"/d/{code}")
        answers.add((page.status_code, page.text.replace(code, "CODE")))
    [(status, text)] = answers
    assert status == 404
    assert "No machine is waiting with the code CODE" in text


async def test_a_malformed_code_is_refused_and_stays_in_the_field(office: Office) -> None:
    person = await office.person()
    await person.open("/device")
    page = await person.send("/device", code='"><b>AEIOU')
    assert page.status_code == 400
    assert "A code has eight letters" in text_of(page)
    assert 'value="&#34;&gt;&lt;b&gt;AEIOU"' in page.text


@pytest.mark.parametrize("path", ["/device?code={0}", "/device?code={0}&typed={0}&auto=1", "/d/BBBB-BBBB", "/d/{0}x"])
async def test_nothing_in_an_address_fills_the_field_of_the_code(office: Office, path: str) -> None:
    person = await office.person()
    _, code = await office.machine()
    page = await person.open(path.format(code))
    assert 'id="code" name="code" value=""' in page.text


async def test_a_code_that_was_typed_before_the_session_ended_is_typed_again(office: Office) -> None:
    _, code = await office.machine()
    stranger = office.browser()
    answer = await stranger.send("/device", code=code)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fdevice")


async def test_a_form_of_another_site_enters_no_code(office: Office) -> None:
    person = await office.person()
    _, code = await office.machine()
    await person.open("/device")
    person.client.headers["origin"] = "https://evil.example"
    assert (await person.send("/device", code=code)).status_code == 403
    person.client.headers["origin"] = office.site.site.public_url
    person.csrf = "made-up"
    assert (await person.send("/device", code=code)).status_code == 403


async def test_an_old_code_of_a_machine_is_noted_when_a_person_enters_or_opens_it(office: Office) -> None:
    person = await office.person()
    _, old = await office.machine()
    await office.machine()
    await person.open("/device")
    assert (await person.send("/device", code=old)).status_code == 404
    assert (await person.open(f"/d/{old}")).status_code == 404
    again = office.site.built.decisions.codes_again
    await again.step()
    assert dict(again.counts) == {("person", "replaced"): 2}
    audit = text_of(await person.open("/audit?what=requests"))
    assert audit.count("Code presented again") == 2
    assert "how typed" in audit
    assert "how opened" in audit


async def test_guessing_codes_is_rate_limited_even_after_a_hit(office: Office) -> None:
    person = await office.person()
    _, code = await office.machine()
    statuses = [(await person.open(f"/d/{guess}")).status_code for guess in ["BBBB-BBBB"] * 19 + [code] * 2]
    assert statuses == [404] * 19 + [303, 429]
    office.site.clock.advance(6)
    assert (await person.open(f"/d/{code}")).status_code == 303
    assert (await person.open(f"/d/{code}")).status_code == 429


async def test_a_rate_limited_operator_sees_how_long_to_wait_and_can_use_the_list(office: Office) -> None:
    person = await office.person()
    grant, code = await office.machine()
    for _ in range(20):
        await person.open("/d/BBBB-BBBB")
    page = await person.open(f"/d/{code}")
    assert page.headers["retry-after"] == "6"
    assert "Try again in 6 s" in text_of(page)
    assert (await person.open(f"/requests/{grant.grant_id}")).status_code == 200


async def test_guesses_by_several_operators_at_one_address_are_counted_together(office: Office) -> None:
    statuses = []
    for number in range(4):
        person = await office.person(f"person{number}")
        await person.open("/device")
        statuses += [(await person.send("/device", code="BBBB-BBBB")).status_code for _ in range(16)]
    assert statuses == [404] * 60 + [429] * 4


@pytest.mark.parametrize("path", ["/d/{0}", "/device"])
async def test_looking_up_a_code_does_not_wait_for_evidence(tmp_path: Path, path: str) -> None:
    started = tmp_path / "started"
    program = tmp_path / "evidence.sh"
    program.write_text(f"#!/bin/sh\ntouch {started}\necho '{{\"evidence\": []}}'\n")
    program.chmod(0o755)
    with site_in_process(tmp_path, "[[evidence.exec]]", 'name = "bmc"', f'command = ["{program}"]') as site:
        office = Office(site)
        person = await office.person()
        grant, code = await office.machine()
        await person.open("/device")
        if path == "/device":
            page = await person.send(path, code=code)
        else:
            page = await person.open(path.format(code))
        assert page.headers["location"].startswith(f"/requests/{grant.grant_id}")
        assert not started.exists()
        await person.open(page.headers["location"])
        assert started.exists()
