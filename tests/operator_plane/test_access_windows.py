"""The pages of armed windows: what is open, what ended and why, what each approved, and the form that arms one."""

from __future__ import annotations

import re

import httpx2
import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.operators import Label, Role
from bootgrant.approval.policy import Window
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.people import Operator
from support.grants import NOW, UUID
from support.office import Office, Person, text_of

pytestmark = pytest.mark.anyio
FORM = {"select": "*", "time": "30", "unit": "minutes", "count": "2", "name": "rack4"}


async def send(person: Person, **fields: str) -> httpx2.Response:
    await person.open("/access/windows/new")
    return await person.send("/access/windows/new", **{**FORM, **fields})


async def armed(office: Office) -> list[Window]:
    return list(await office.site.database.windows.windows())


async def test_a_window_is_armed_approves_a_machine_is_seen_and_closed(office: Office) -> None:
    office.configure()
    ana = await office.person("ana", Role.APPROVER)
    answer = await send(ana, networks="10.20.0.0/16, 10.21.0.0/16", **{"evidence-inventory": "on"})
    path = answer.headers["location"]
    page = text_of(await ana.open(path))
    assert "open, 30:00 left" in page
    assert "0 of 2 approved machines * (1 entry fits it)" in page
    assert "from 10.20.0.0/16, 10.21.0.0/16 evidence inventory must match armed by ana" in page
    assert "No machines yet." in page

    grant, _ = await office.machine()
    await office.site.chore("automatic approvals").step()
    seen = await ana.open(path)
    assert "1 of 2 approved" in text_of(seen)
    assert re.findall(r'href="/requests/([0-9a-f]+)"', seen.text) == [grant.grant_id]
    assert f"UUID {UUID}" in text_of(seen)

    assert (await ana.send(f"{path}/close")).headers["location"] == path
    ended = text_of(await ana.open(path))
    assert "state ■ ended: closed by ana" in ended
    assert "1 of 2 approved" in ended
    assert f"UUID {UUID}" in ended
    (event,) = await office.site.database.audit.newest(AuditFilter(kinds=(AuditKind.DISARMED,)), 5)
    assert event.event.actor == "ana"
    listed = text_of(await ana.open("/access/windows"))
    assert "No windows are open." in listed
    assert "rack4 1 of 2 approved approves * · from 10.20.0.0/16, 10.21.0.0/16" in listed
    assert (await ana.send(f"{path}/close")).headers["location"] == path


async def test_the_list_says_why_a_window_ended(office: Office) -> None:
    office.configure()
    ana = await office.person("ana")
    await send(ana, name="short", time="1")
    full = (await send(ana, name="full", count="1")).headers["location"].rpartition("/")[2]
    await office.site.database.windows.take_place(full, NOW)
    await send(ana, name="lost")
    async with office.site.admin("root") as root:
        await root.post("/api/v1/operators", json={"name": "ben", "role": "admin"})
        await root.post("/api/v1/operators/ana/disable")
        await root.post("/api/v1/operators/ana/enable")
    office.site.clock.advance(60)
    page = text_of(await (await office.person("vic", Role.VIEWER)).open("/access/windows"))
    assert "No windows are open." in page
    assert "lost at most 2 approves * · from anywhere armed by ana · The operator ana was disabled." in page
    assert page.index("lost") < page.index("full") < page.index("short")


async def test_a_window_whose_time_is_up_or_that_is_used_up_says_so(office: Office) -> None:
    office.configure()
    ana = await office.person("ana")
    await send(ana, name="short", time="1")
    full = (await send(ana, name="full", count="1")).headers["location"].rpartition("/")[2]
    await office.site.database.windows.take_place(full, NOW)
    office.site.clock.advance(60)
    page = text_of(await ana.open("/access/windows"))
    assert "full 1 of 1 approved approves * · from anywhere armed by ana · all machines were approved" in page
    assert "short 0 of 2 approved approves * · from anywhere armed by ana · the time was up 2027-01-15 08:01:00" in page


async def test_only_the_machines_of_this_window_are_listed_although_another_has_its_name(office: Office) -> None:
    office.configure()
    ana = await office.person("ana", Role.APPROVER)
    first = (await send(ana, time="10")).headers["location"]
    grant, _ = await office.machine()
    await office.site.chore("automatic approvals").step()
    office.site.clock.advance(700)
    second = (await send(ana)).headers["location"]
    assert grant.grant_id in (await ana.open(first)).text
    assert grant.grant_id not in (await ana.open(second)).text


async def test_a_window_that_fits_nothing_is_explained_and_armed_in_a_second_step(office: Office) -> None:
    office.configure()
    ana = await office.person("ana")
    first = await send(ana, select="sit=fra")
    assert (first.status_code, 'No entry has a label "sit"' in text_of(first)) == (409, True)
    assert ("--force" in first.text, 'value="sit=fra"' in first.text, 'name="force"' in first.text) == (
        False, True, True,
    )  # fmt: skip
    assert await armed(office) == []
    assert 'name="force"' not in (await ana.open("/access/windows/new?force=on&select=sit%3Dfra")).text
    again = await send(ana, select="sit=fra", force="on")
    assert (again.status_code, [window.name for window in await armed(office)]) == (303, ["rack4"])
    assert "(0 entries fit it)" in text_of(await ana.open(again.headers["location"]))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"select": ""}, "The selector is missing"),
        ({"select": "site="}, "has a label without a name or value"),
        ({"time": "soon"}, "Write for how long"),
        ({"time": "-1"}, "Write for how long"),
        ({"unit": "years"}, "Write for how long"),
        ({"time": "8", "unit": "days"}, "A window can be open for at most 7 days"),
        ({"count": "many"}, "Write how many machines"),
        ({"count": "0"}, "A window can approve 1 to 10000 machines"),
        ({"networks": "rack9"}, "is neither a network (10.20.0.0/16) nor a name in networks.names"),
        ({"name": "a b"}, "cannot be the name of a window"),
    ],
)
async def test_a_window_that_cannot_be_armed_is_explained_in_words(
    office: Office, fields: dict[str, str], problem: str
) -> None:
    office.configure()
    page = await send(await office.person("ana"), **fields)
    assert (page.status_code, problem in text_of(page), 'name="force"' in page.text) == (409, True, False)
    assert await armed(office) == []


async def test_half_an_hour_is_a_time(office: Office) -> None:
    office.configure()
    await send(await office.person("ana"), time="0,5", unit="hours")
    assert (await armed(office))[0].until == NOW + 1800


async def test_an_operator_with_limits_arms_and_closes_only_within_them(office: Office) -> None:
    office.configure()
    limited = Operator("cleo", "", NOW, Role.APPROVER, (Label("site", "ams"),))
    await office.site.database.operators.add_operator(limited)
    cleo, ana = await office.person("cleo"), await office.person("ana")
    form = await cleo.open("/access/windows/new")
    assert 'value="site=ams"' in form.text
    assert "You may only decide about machines with site=ams" in text_of(form)
    refused = await send(cleo, select="*", force="on")
    assert "add that to the selector" in text_of(refused)
    path = (await send(ana)).headers["location"]
    assert "/close" not in (await cleo.open(path)).text
    closed = await cleo.send(f"{path}/close")
    assert (closed.status_code, "You may only decide about machines with site=ams" in text_of(closed)) == (409, True)
    assert len(await armed(office)) == 1


async def test_an_ended_session_leads_back_to_the_window(office: Office) -> None:
    office.configure()
    ana = await office.person("ana")
    path = (await send(ana)).headers["location"]
    ana.client.cookies.clear()
    lost = await ana.send(f"{path}/close")
    assert lost.headers["location"] == f"/login?next={path.replace('/', '%2F')}"


async def test_a_window_that_nobody_armed_is_not_found(office: Office) -> None:
    ana = await office.person("ana")
    page = await ana.open("/access/windows/00000000")
    assert (page.status_code, "There is no armed window at this address." in text_of(page)) == (404, True)
