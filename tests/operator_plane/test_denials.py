"""Denials are shown with their end, listed, and taken back: on the pages and by the API."""

from __future__ import annotations

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.operators import Role
from bootgrant.ports.audit import AuditFilter
from support.grants import UUID, decision_by
from support.office import Office, text_of

pytestmark = pytest.mark.anyio


async def denied_machine(office: Office) -> tuple[DeviceGrant, str]:
    grant, code = await office.machine()
    async with office.site.admin("root") as admin:
        await admin.post("/api/v1/deny", json={"code": code, "reason": "wrong rack"})
    return grant, code


async def test_the_denied_page_shows_until_when_the_machine_is_refused(office: Office) -> None:
    grant, _ = await denied_machine(office)
    office.site.clock.advance(60)
    person = await office.person()
    page = text_of(await person.open(f"/requests/{grant.grant_id}"))
    assert "If it asks again before 08:10:00 UTC, it is refused automatically ( 9:00 left)." in page
    assert "Take back the denial" in page
    office.site.clock.advance(540)
    page = text_of(await person.open(f"/requests/{grant.grant_id}"))
    assert "refused automatically" not in page
    assert "Take back the denial" not in page


async def test_a_denial_is_taken_back_on_its_page(office: Office) -> None:
    grant, _ = await denied_machine(office)
    person = await office.person()
    await person.open(f"/requests/{grant.grant_id}")
    answer = await person.send(f"/requests/{grant.grant_id}/undeny")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/requests/{grant.grant_id}")
    page = text_of(await person.open(answer.headers["location"]))
    assert "taken back by ana, 08:00:00 UTC" in page
    assert "Take back the denial" not in page
    audit = text_of(await person.open("/audit"))
    assert "Denial taken back" in audit
    again = await person.send(f"/requests/{grant.grant_id}/undeny")
    assert again.status_code == 409
    assert "already taken back by ana" in text_of(again)
    (event,) = await office.site.database.audit.newest(AuditFilter(kinds=(AuditKind.UNDENIED,)), 10)
    assert (event.event.actor, event.event.identity.uuid) == ("ana", UUID)


async def test_another_denial_that_still_refuses_the_machine_is_named_on_the_page_and_by_the_api(
    office: Office,
) -> None:
    here, code = await denied_machine(office)
    there, other = await office.machine(source_address="10.66.0.6")
    admin = office.site.admin("root")
    (await admin.post("/api/v1/deny", json={"code": other})).raise_for_status()
    by_ana, rules = decision_by("ana", office.site.clock.now()), GrantRules()
    await office.site.database.grants.change_grant(here.grant_id, lambda stored: stored.undeny(by_ana, rules))
    person = await office.person()
    page = await person.open(f"/requests/{here.grant_id}")
    assert "The machine is still refused" in text_of(page)
    assert "root (admin.sock) denied another request of this machine. It is refused until 08:10:00 UTC" in text_of(page)
    assert f'href="/requests/{there.grant_id}"' in page.text
    shown = (await admin.get(f"/api/v1/grants/{code}")).json()
    assert shown["also_denied"] == {"request": there.grant_id, "by": "root (admin.sock)"}
    await person.send(f"/requests/{there.grant_id}/undeny")
    assert "still refused" not in text_of(await person.open(f"/requests/{here.grant_id}"))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER])
async def test_the_queue_lists_refused_machines(office: Office, role: Role) -> None:
    grant, code = await denied_machine(office)
    person = await office.person("eva", role)
    page = await person.open("/")
    shown = text_of(page)
    assert "Refused after a denial" in shown
    assert "refused until 08:10:00 UTC" in shown
    assert "denied by root (admin.sock): wrong rack" in shown
    assert (code in shown) is (role is Role.APPROVER)
    sent = await person.send(f"/requests/{grant.grant_id}/undeny", back="queue")
    if role is Role.VIEWER:
        assert sent.status_code == 403
        assert "Take back the denial" not in shown
        return
    assert (sent.status_code, sent.headers["location"]) == (303, "/")
    assert "Refused after a denial" not in text_of(await person.open("/"))


async def test_the_api_lists_refused_machines_and_takes_denials_back(office: Office) -> None:
    grant, code = await denied_machine(office)
    async with office.site.admin("root") as admin:
        (row,) = (await admin.get("/api/v1/denied")).json()["denied"]
        assert (row["id"], row["code"], row["state"]) == (grant.grant_id, code, "denied")
        assert row["refused_until"] == office.site.clock.now() + 600
        assert (row["decided_by"], row["reason"]) == ("root (admin.sock)", "wrong rack")
        undenied = (await admin.post(f"/api/v1/requests/{grant.grant_id}/undeny")).json()
        assert (undenied["refused_until"], undenied["undenied_by"]) == (None, "root (admin.sock)")
        assert (await admin.get("/api/v1/denied")).json()["denied"] == []
        again = await admin.post("/api/v1/undeny", json={"code": code})
        assert (again.status_code, again.json()["error"]) == (409, "not_refused")
        assert (await admin.post("/api/v1/undeny", json={"code": "BBBB-BBBB"})).status_code == 404
