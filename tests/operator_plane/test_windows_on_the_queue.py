"""Armed windows on the queue's page: who sees what, and who can close them."""

from __future__ import annotations

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.operators import Label, Role
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.people import Operator
from support.grants import NOW
from support.office import Office, text_of

pytestmark = pytest.mark.anyio


async def arm(office: Office, name: str = "rack4", **changes: object) -> str:
    """Arm a window. Return its id."""
    wanted = {
        "select": ["site=fra,role=worker", "rack4-*"], "seconds": 3600, "count": 3, "networks": ["10.20.0.0/16"],
        "evidence": ["inventory"], "name": name, "force": True,
    }  # fmt: skip
    answer = await office.site.admin("root").post("/api/v1/arm", json={**wanted, **changes})
    answer.raise_for_status()
    return str(answer.json()["id"])


@pytest.mark.parametrize("waiting", [True, False])
async def test_open_windows_are_shown_with_who_what_how_many_and_until_when(office: Office, waiting: bool) -> None:
    window_id = await arm(office)
    await office.site.database.windows.take_place(window_id, NOW)
    if waiting:
        await office.machine()
    page = text_of(await (await office.person("vic", Role.VIEWER)).open("/"))
    assert "Armed windows rack4 2 machines left (1 of 3 approved) 1:00:00 left" in page
    assert (
        "approves site=fra,role=worker or rack4-* · from 10.20.0.0/16 · evidence must match: inventory · "
        "armed by root (admin.sock) · until 2027-01-15 09:00:00 UTC"
    ) in page
    assert "Close the window" not in page


async def test_windows_that_are_over_used_up_or_closed_are_not_shown(office: Office) -> None:
    await arm(office, "short", seconds=10)
    full = await arm(office, "full", count=1)
    await office.site.database.windows.take_place(full, NOW)
    await arm(office, "closed")
    (await office.site.admin().post("/api/v1/disarm", json={"name": "closed"})).raise_for_status()
    office.site.clock.advance(10)
    page = await (await office.person("ana")).open("/")
    assert "data-window=" not in page.text


async def test_an_approver_closes_a_window_with_the_button(office: Office) -> None:
    window_id = await arm(office)
    ana = await office.person("ana", Role.APPROVER)
    assert "Close the window rack4" in text_of(await ana.open("/"))
    assert (await ana.send(f"/windows/{window_id}/close")).headers["location"] == "/"
    assert "data-window=" not in (await ana.open("/")).text
    (record,) = await office.site.database.audit.newest(AuditFilter(kinds=(AuditKind.DISARMED,)), 5)
    assert (record.event.actor, record.event.details["name"]) == ("ana", "rack4")
    again = await ana.send(f"/windows/{window_id}/close")
    assert (again.status_code, "No open window is named" in text_of(again)) == (409, True)


async def test_closing_a_window_with_an_ended_session_or_an_old_form_leads_back_to_the_queue(office: Office) -> None:
    window_id = await arm(office)
    ana = await office.person("ana", Role.APPROVER)
    await ana.open("/")
    stale = await ana.send(f"/windows/{window_id}/close", csrf="of another session")
    assert (stale.status_code, 'class="button" href="/"' in stale.text) == (403, True)
    assert f"/windows/{window_id}" not in stale.text
    ana.client.cookies.clear()
    lost = await ana.send(f"/windows/{window_id}/close")
    assert (lost.status_code, lost.headers["location"]) == (303, "/login?next=%2F")


async def test_only_who_may_close_a_window_has_the_button(office: Office) -> None:
    window_id = await arm(office)
    cleo = Operator("cleo", "", NOW, Role.APPROVER, (Label("site", "ams"),))
    await office.site.database.operators.add_operator(cleo)
    for person, status in ((await office.person("vic", Role.VIEWER), 403), (await office.person("cleo"), 409)):
        assert f"/windows/{window_id}/close" not in (await person.open("/")).text
        assert (await person.send(f"/windows/{window_id}/close")).status_code == status
    assert len(await office.site.database.windows.windows()) == 1


async def test_the_name_of_one_window_does_not_close_another_with_that_id(office: Office) -> None:
    window_id = await arm(office)
    await arm(office, window_id)
    ana = await office.person("ana")
    await ana.open("/")
    await ana.send(f"/windows/{window_id}/close")
    assert [window.name for window in await office.site.database.windows.windows()] == [window_id]


async def test_the_queue_is_announced_as_changed_when_a_window_changes(office: Office) -> None:
    ana, versions = await office.person("ana"), []
    window_id = ""
    for _ in range(3):
        versions.append((await ana.open("/")).text.partition('data-version="')[2][:16])
        if window_id:
            await office.site.database.windows.take_place(window_id, NOW)
        else:
            window_id = await arm(office)
    assert len(set(versions)) == 3
