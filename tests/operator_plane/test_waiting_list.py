"""The list of waiting machines."""

from __future__ import annotations

import html

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.cli import main
from bootgrant.wire.identity import MachineIdentity
from support.grants import MAC, NOW, UUID
from support.layered_site import write_machines
from support.office import Office, text_of

pytestmark = pytest.mark.anyio


async def test_an_empty_list_shows_kernel_parameters_and_reloads(office: Office) -> None:
    page = await (await office.person()).open("/")
    assert "No machines waiting" in text_of(page)
    line = text_of(page).split()
    assert [word for word in line if word.startswith("talos.config=http://boot.example:8080/config")]
    assert "talos.config.oauth.client_id=talos" in line
    assert '<noscript><meta http-equiv="refresh" content="5; url=/?auto=1"></noscript>' in page.text


async def test_an_empty_list_shows_what_kernel_args_prints(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    page = await (await office.person()).open("/")
    assert main(["kernel-args", "--url", "http://boot.example:8080"]) == 0
    printed = capsys.readouterr().out.strip()
    assert f'<pre class="line" tabindex="0">{html.escape(printed)}</pre>' in page.text


async def test_an_empty_list_says_which_machine_was_delivered_last_and_when(office: Office) -> None:
    office.configure()
    person = await office.person()
    grant, _ = await office.machine()
    await person.open(f"/requests/{grant.grant_id}")
    await person.send(f"/requests/{grant.grant_id}/approve")
    page = text_of(await person.open("/"))
    assert "Approved, not downloaded yet: 1" in page
    assert "Last delivered" not in page
    event = AuditEvent(NOW + 9, AuditKind.DELIVERED, grant_id=grant.grant_id, entry="cp-7", identity=grant.identity)
    await office.site.database.audit.append([event])
    assert "Last delivered: cp-7 , 2027-01-15 08:00:09 UTC" in text_of(await person.open("/"))


async def test_each_row_shows_verdict_machine_and_code(office: Office) -> None:
    office.configure()
    person = await office.person()
    grant, code = await office.machine()
    _, other = await office.machine(identity=MachineIdentity(serial="0OCZJ19N71"))
    page = await person.open("/")
    expected = f"✓ Expected {UUID}.yaml {code} worker \u2013 {MAC} … {UUID[-12:]} 10.20.0.11 0:00 10:00 left"
    assert expected in text_of(page)
    unknown = f"? Unknown Unknown machine {other} no entry 0OCZJ19N71 \u2013 \u2013 10.20.0.11 0:00 10:00 left"
    assert unknown in text_of(page)
    assert "All 2 Expected 1 Unknown 1" in text_of(page)
    assert f'href="/requests/{grant.grant_id}"' in page.text
    assert "http-equiv" not in page.text


async def test_decided_and_expired_requests_are_not_listed(office: Office) -> None:
    office.configure()
    person = await office.person()
    grant, _ = await office.machine()
    await office.machine(expires_at=office.site.clock.now())
    await person.open(f"/requests/{grant.grant_id}")
    await person.send(f"/requests/{grant.grant_id}/approve")
    assert "No machines waiting" in text_of(await person.open("/"))


async def test_a_list_that_reloads_itself_does_not_keep_the_session_alive(office: Office) -> None:
    person = await office.person()
    statuses = []
    for _ in range(3):
        office.site.clock.advance(5 * 3600)
        statuses.append((await person.open("/?auto=1")).status_code)
    assert statuses == [200, 200, 303]


async def test_a_list_that_a_person_loads_keeps_the_session_alive(office: Office) -> None:
    person = await office.person()
    statuses = []
    for _ in range(3):
        office.site.clock.advance(5 * 3600)
        statuses.append((await person.open("/")).status_code)
    assert statuses == [200, 200, 200]


async def test_invalid_configurations_are_reported_above_the_list(office: Office) -> None:
    person = await office.person()
    write_machines(office.site.machines)
    office.site.built.source.current.refresh()
    assert "invalid" not in text_of(await person.client.get("/"))
    (office.site.machines / "all/00-base.yaml").write_text("machine: [\n")
    office.site.built.source.current.refresh()
    page = text_of(await person.client.get("/"))
    assert "The machine configurations have been invalid for" in page
    assert "all/00-base.yaml" in page
    assert "Still serving the last valid revision (folder-" in page
