"""The card of a machine, and deciding about it."""

from __future__ import annotations

import pytest

from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.transitions import GrantState
from bootgrant.wire.identity import MachineIdentity
from support.grants import UUID
from support.office import Office, text_of

pytestmark = pytest.mark.anyio


async def state_of(office: Office, grant: DeviceGrant) -> DeviceGrant:
    found = await office.site.database.grants.find_grant(grant.grant_id)
    assert found is not None
    return found


async def test_the_card_shows_machine_address_age_and_configuration(office: Office) -> None:
    office.configure()
    person = await office.person()
    grant, code = await office.machine()
    office.site.clock.advance(42)
    page = text_of(await person.open(f"/requests/{grant.grant_id}"))
    assert code in page
    assert (
        f"{UUID}.yaml ✓ Expected worker Serial not reported \u2013 MAC 52:2f:fd:df:fc:c0 \u2013 not checked UUID … "
        in page
    )
    assert f"{UUID[-12:]} ✓ matches the inventory 10.20.0.11 · 0:42 ago · 9:18 left" in page
    assert f"Configuration {UUID}.yaml Preview Matched by uuid." in page
    assert f"uuid {UUID} Copy serial not reported mac 52:2f:fd:df:fc:c0 Copy hostname not reported" in page


async def test_approving_shows_the_progress_until_the_delivery(office: Office) -> None:
    office.configure()
    person = await office.person()
    grant, _ = await office.machine()
    await person.open(f"/requests/{grant.grant_id}")
    answer = await person.send(f"/requests/{grant.grant_id}/approve")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/requests/{grant.grant_id}")
    stored = await state_of(office, grant)
    assert (stored.state, stored.entry) == (GrantState.APPROVED, f"{UUID}.yaml")
    page = await person.open(answer.headers["location"])
    assert "Notifying the machine" in text_of(page)
    assert f'content="2; url=/requests/{grant.grant_id}?auto=1"' in page.text


async def test_a_delivered_request_shows_the_time_and_no_longer_reloads(office: Office) -> None:
    office.configure()
    person = await office.person()
    grant, _ = await office.machine()
    await person.open(f"/requests/{grant.grant_id}")
    await person.send(f"/requests/{grant.grant_id}/approve")
    store, now, rules = office.site.database.grants, office.site.clock.now(), office.site.site.grants
    await store.change_grant(grant.grant_id, lambda g: g.redeem("talos", b"t" * 32, rules, now))
    assert "Downloading the configuration" in text_of(await person.open(f"/requests/{grant.grant_id}"))
    await store.change_grant(grant.grant_id, lambda g: g.deliver(office.site.site.grants, now + 2))
    page = await person.open(f"/requests/{grant.grant_id}")
    assert "Delivered 08:00:02 UTC" in text_of(page)
    assert "http-equiv" not in page.text


async def test_an_approval_without_a_delivery_stops_reloading_and_says_where_to_look(office: Office) -> None:
    office.configure()
    person = await office.person()
    grant, _ = await office.machine(expires_at=office.site.clock.now() + 3600)
    await person.open(f"/requests/{grant.grant_id}")
    await person.send(f"/requests/{grant.grant_id}/approve")
    office.site.clock.advance(601)
    page = await person.open(f"/requests/{grant.grant_id}")
    assert "Look at its screen" in text_of(page)
    assert "http-equiv" not in page.text


async def test_a_denial_stores_its_reason_on_one_line(office: Office) -> None:
    person = await office.person()
    grant, _ = await office.machine()
    await person.open(f"/requests/{grant.grant_id}")
    await person.send(f"/requests/{grant.grant_id}/deny", reason="not\r\ntoday\x1b[31m")
    stored = await state_of(office, grant)
    assert stored.state is GrantState.DENIED
    assert stored.decision is not None
    assert (stored.decision.by, stored.decision.reason) == ("ana", "not today [31m")
    assert "not today [31m" in text_of(await person.open(f"/requests/{grant.grant_id}"))


async def test_a_machine_without_a_configuration_cannot_be_approved(
    office: Office,
) -> None:
    person = await office.person()
    grant, _ = await office.machine()
    page = await person.open(f"/requests/{grant.grant_id}")
    assert "Unknown machine" in text_of(page)
    assert "assign it an entry" in text_of(page)
    assert f"/requests/{grant.grant_id}/approve" not in page.text
    forced = await person.send(f"/requests/{grant.grant_id}/approve")
    assert forced.status_code == 409
    assert (await state_of(office, grant)).state is GrantState.PENDING


async def test_a_configuration_added_later_makes_the_request_approvable(office: Office) -> None:
    person = await office.person()
    grant, _ = await office.machine()
    await person.open(f"/requests/{grant.grant_id}")
    office.configure()
    assert "Matched by uuid." in text_of(await person.open(f"/requests/{grant.grant_id}"))
    assert (await person.send(f"/requests/{grant.grant_id}/approve")).status_code == 303


async def test_the_second_of_two_operators_sees_who_decided_and_when(office: Office) -> None:
    office.configure()
    ana, ben = await office.person("ana"), await office.person("ben")
    grant, _ = await office.machine()
    await ana.open(f"/requests/{grant.grant_id}")
    await ben.open(f"/requests/{grant.grant_id}")
    await ana.send(f"/requests/{grant.grant_id}/approve")
    office.site.clock.advance(12)
    page = await ben.send(f"/requests/{grant.grant_id}/deny", reason="wrong rack")
    assert page.status_code == 409
    assert "Already decided by ana Your decision was not recorded: already approved by ana, 12 s ago." in text_of(page)
    assert (await state_of(office, grant)).state is GrantState.APPROVED


async def test_a_double_tap_is_one_decision_without_an_error(office: Office) -> None:
    office.configure()
    person = await office.person()
    grant, _ = await office.machine()
    await person.open(f"/requests/{grant.grant_id}")
    answers = [await person.send(f"/requests/{grant.grant_id}/approve") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]


async def test_deciding_on_an_old_page_says_that_the_code_has_expired(office: Office) -> None:
    office.configure()
    person = await office.person()
    grant, _ = await office.machine()
    await person.open(f"/requests/{grant.grant_id}")
    office.site.clock.advance(720)
    page = await person.send(f"/requests/{grant.grant_id}/approve")
    assert page.status_code == 409
    assert "Too late Your decision was not recorded: this code expired 2 min ago" in text_of(page)


async def test_an_unknown_request_has_an_error_page(office: Office) -> None:
    person = await office.person()
    await person.open("/")
    for page in (await person.open("/requests/feed"), await person.send("/requests/feed/approve")):
        assert page.status_code == 404
        assert "Request not found" in text_of(page)


async def test_hostile_text_is_escaped_cut_and_marked(office: Office) -> None:
    person = await office.person()
    serial = "<script>alert(1)</script>{{7*7}}\u202e" + "A" * 10_000
    grant, _ = await office.machine(identity=MachineIdentity(serial=serial))
    for path in (f"/requests/{grant.grant_id}", "/"):
        page = await person.open(path)
        assert "&lt;script&gt;alert(1)&lt;/script&gt;{{7*7}}" in page.text
        assert '<mark title="U+202E RIGHT-TO-LEFT OVERRIDE">U+202E</mark>' in page.text
        assert "\u202e" not in page.text
        assert ("characters, SHA-256" if path == "/" else "more characters") in page.text
        assert len(page.text) < 14_000


async def test_a_reason_typed_before_the_session_ended_is_kept_through_the_sign_in(office: Office) -> None:
    person = await office.person()
    grant, _ = await office.machine()
    await person.open(f"/requests/{grant.grant_id}")
    person.client.cookies.clear()
    answer = await person.send(f"/requests/{grant.grant_id}/deny", reason="wrong rack")
    assert answer.headers["location"].endswith(f"next=%2Frequests%2F{grant.grant_id}%3Freason%3Dwrong%2Brack")
    back = await (await office.person()).open(f"/requests/{grant.grant_id}?reason=wrong+rack")
    assert 'value="wrong rack"' in back.text
    assert "<details open>" in back.text
