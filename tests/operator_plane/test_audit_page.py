"""The audit page and the settings page."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import httpx2
import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import Role
from bootgrant.service.settings.site import load_site
from bootgrant.wire.identity import MachineIdentity
from support.grants import NOW
from support.office import Office, text_of

WORKER = MachineIdentity(serial="0OCZJ19N17")


async def record(office: Office, *events: AuditEvent) -> None:
    await office.site.database.audit.append(events)


@pytest.mark.anyio
async def test_the_audit_shows_a_decision_with_person_and_reason(office: Office) -> None:
    person = await office.person()
    grant, _ = await office.machine(identity=WORKER)
    await person.open(f"/requests/{grant.grant_id}")
    await person.send(f"/requests/{grant.grant_id}/deny", reason="wrong rack")
    page = text_of(await person.open("/audit"))
    assert "2027-01-15 08:00:00 UTC ✕ Denied serial “ 0OCZJ19N17 ” by ana request" in page
    assert "from 10.20.0.11 · via session · reason: wrong rack" in page


@pytest.mark.anyio
async def test_events_can_be_filtered_by_kind_person_entry_and_request(office: Office) -> None:
    await record(
        office,
        AuditEvent(NOW, AuditKind.APPROVED, "ana", "session", "a" * 32, WORKER, "10.20.0.11", "worker-17"),
        AuditEvent(NOW, AuditKind.DENIED, "ben", "session", "b" * 32, WORKER, "10.20.0.11", "worker-18"),
        AuditEvent(NOW, AuditKind.SIGNED_IN, "ben", "session"),
    )
    person = await office.person()
    for query, found in (
        ("what=decisions&who=ben", ["Denied"]),
        ("who=ben", ["Signed in", "Denied"]),
        ("entry=worker-17", ["Approved"]),
        (f"request={'b' * 32}", ["Denied"]),
        ("what=everything&before=2", ["Approved"]),
    ):
        page = await person.open(f"/audit?{query}")
        assert [part.partition("<")[0] for part in page.text.split('class="what">')[1:]] == found, query


@pytest.mark.anyio
async def test_many_events_are_split_into_pages(office: Office) -> None:
    await record(office, *(AuditEvent(NOW + i, AuditKind.SIGNED_IN, f"p{i}", "session") for i in range(70)))
    person = await office.person()
    first = await person.open("/audit?what=people")
    older = first.text.partition('">Older')[0].rpartition('href="')[2].replace("&amp;", "&")
    second = await person.open(older)
    assert first.text.count('class="what"') == 50
    assert second.text.count('class="what"') == 20
    assert "p0" in second.text
    assert "Older" not in text_of(second)


@pytest.mark.anyio
async def test_hostile_text_in_the_audit_is_shown_as_text(office: Office) -> None:
    hostile = MachineIdentity(serial="<script>alert(1)</script>\u202e" + "A" * 5000)
    named = MachineIdentity(hostname="w\udcffrker")
    await record(office, AuditEvent(NOW, AuditKind.OPENED, identity=named, address="10.20.0.9", grant_id="d" * 32))
    await record(office, AuditEvent(NOW, AuditKind.OPENED, identity=hostile, address="10.20.0.9", grant_id="c" * 32))
    page = await (await office.person()).open("/audit?asked=1")
    assert "&lt;script&gt;" in page.text
    assert "\u202e" not in page.text
    assert len(page.text) < 12_000


@pytest.mark.anyio
@pytest.mark.parametrize(
    "query",
    [
        "before=-1",
        "before=99999999999999999999999",
        "what=%00",
        "request=%ff",
        "who=%27",
        "since=x",
        "until=1e400",
        "until=0001-01-01T00:00%2B23:00",
        "until=9999-12-31T23:59-23:00",
        "machine=%00",
        "entry=%ed%a0%80",
        "span=year",
    ],
)
async def test_an_invalid_query_does_not_fail(office: Office, query: str) -> None:
    assert (await (await office.person()).open(f"/audit?{query}")).status_code == 200


def kinds_of(page: httpx2.Response) -> list[str]:
    return [part.partition("<")[0] for part in page.text.split('class="what">')[1:]]


A_WEEK = (
    AuditEvent(NOW - 6 * 86400, AuditKind.DELIVERED, "", "", "a" * 32, WORKER, "10.20.0.11", "worker-17"),
    AuditEvent(NOW - 7000, AuditKind.DENIED, "ben", "session", "b" * 32, WORKER, "10.20.0.11"),
    AuditEvent(NOW - 60, AuditKind.SIGNED_IN, "ana", "session"),
)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("span=hour", ["Signed in"]),
        ("span=today", ["Signed in", "Denied"]),
        ("span=week", ["Signed in", "Denied", "Delivered"]),
        ("since=2027-01-15T06:30&until=2027-01-15T07:30", []),
        ("since=2027-01-15T06:00&until=2027-01-15T07:30", ["Denied"]),
        ("since=2027-01-15T07:00%2B01:00&until=2027-01-15T08:30%2B01:00", ["Denied"]),
        ("machine=0OCZJ19N17", ["Denied", "Delivered"]),
        ("find=worker-17", ["Delivered"]),
        ("find=0OCZJ19N17", ["Denied", "Delivered"]),
        ("entry=worker-17", ["Delivered"]),
    ],
)
async def test_events_can_be_filtered_by_time_and_machine(office: Office, query: str, found: list[str]) -> None:
    await record(office, *A_WEEK)
    assert kinds_of(await (await office.person()).open(f"/audit?{query}")) == found


@pytest.mark.anyio
async def test_a_time_that_cannot_be_read_is_named_and_not_applied(office: Office) -> None:
    await record(office, *A_WEEK)
    page = await (await office.person()).open("/audit?until=yesterday")
    assert "“yesterday” is not a time" in text_of(page)
    assert len(kinds_of(page)) == 3


@pytest.mark.anyio
async def test_requests_of_machines_are_counted_and_shown_after_a_tap(office: Office) -> None:
    opened = AuditEvent(NOW - 10, AuditKind.OPENED, identity=WORKER, address="10.20.0.11", grant_id="c" * 32)
    await record(office, *A_WEEK, opened, opened)
    person = await office.person()
    folded = await person.open("/audit?machine=0OCZJ19N17")
    assert "2 requests of machines are not shown." in text_of(folded)
    assert kinds_of(folded) == ["Denied", "Delivered"]
    shown = await person.open("/audit?machine=0OCZJ19N17&asked=1")
    assert kinds_of(shown) == ["Requested", "Requested", "Denied", "Delivered"]
    assert "Requests of machines are shown." in text_of(shown)


@pytest.mark.anyio
async def test_the_story_of_a_person_an_entry_and_a_machine_has_a_heading_and_links(office: Office) -> None:
    await record(office, *A_WEEK)
    admin, viewer = await office.person(), await office.person("vera", Role.VIEWER)
    assert "Everything ben did" in text_of(await admin.open("/audit?who=ben"))
    assert 'href="/audit/undo?by=ben"' in (await admin.open("/audit?who=ben")).text
    assert "/audit/undo" not in (await viewer.open("/audit?who=ben")).text
    entry = await viewer.open("/audit?entry=worker-17")
    assert "Everything about the entry worker-17" in text_of(entry)
    assert 'href="/audit?machine=0OCZJ19N17"' in entry.text
    machine = await viewer.open("/audit?machine=0OCZJ19N17")
    assert "Everything about the machine 0OCZJ19N17" in text_of(machine)
    assert 'href="/audit?entry=worker-17"' in machine.text


@pytest.mark.anyio
async def test_a_machine_that_reports_the_name_of_an_entry_does_not_lead_to_its_story(office: Office) -> None:
    false, named = MachineIdentity(serial="worker-17"), MachineIdentity(hostname="worker-17", mac="52:54:00:00:00:01")
    only_named = MachineIdentity(hostname="worker-17")
    denied = (AuditEvent(NOW, AuditKind.DENIED, "ben", "session", "d" * 32, each) for each in (named, only_named))
    await record(office, *A_WEEK, *denied, AuditEvent(NOW, AuditKind.DENIED, "ben", "session", "e" * 32, false))
    person = await office.person()
    page = await person.open("/audit")
    links = re.findall(r'href="(/audit\?(?:machine|entry)=[^"]*)"', page.text)
    assert links[:2] == ["/audit?machine=worker-17", "/audit?machine=52%3A54%3A00%3A00%3A00%3A01"]
    story = await person.open("/audit?machine=worker-17")
    assert "Everything about the machine worker-17" in text_of(story)
    assert kinds_of(story) == ["Denied"]
    assert kinds_of(await person.open("/audit?find=worker-17")) == ["Delivered"]


@pytest.mark.anyio
async def test_the_filtered_events_can_be_downloaded_as_csv(office: Office) -> None:
    formula = MachineIdentity(serial="=HYPERLINK(1)", hostname="@SUM(1)\udcff")
    await record(office, *A_WEEK, AuditEvent(NOW, AuditKind.DENIED, "ben", identity=formula, reason='a,b\n"c"'))
    page = await (await office.person()).open("/audit/export?who=ben&format=csv")
    assert page.headers["content-type"] == "text/csv; charset=utf-8"
    assert page.headers["content-disposition"] == (
        'attachment; filename="bootgrant-audit-boot.example-20270115T080000Z.csv"'
    )
    first, second = csv.DictReader(io.StringIO(page.text))
    assert (first["kind"], first["person"], first["reason"]) == ("denied", "ben", 'a,b\n"c"')
    assert (first["serial"], first["hostname"]) == ("'=HYPERLINK(1)", "'@SUM(1)\\udcff")
    assert (second["time"], second["serial"]) == ("2027-01-15T06:03:20Z", "0OCZJ19N17")


@pytest.mark.anyio
async def test_the_filtered_events_can_be_downloaded_as_json_lines(office: Office) -> None:
    await record(office, *A_WEEK, *(AuditEvent(NOW, AuditKind.SIGNED_IN, f"p{i}", "session") for i in range(1100)))
    page = await (await office.person()).open("/audit/export?what=people&format=jsonl")
    lines = [json.loads(line) for line in page.text.splitlines()]
    assert len(lines) == 1101
    assert [lines[0]["actor"], lines[-1]["actor"]] == ["p1099", "ana"]
    assert {"seq", "previous"} <= lines[0].keys()


@pytest.mark.anyio
async def test_a_download_withholds_what_the_page_withholds(office: Office) -> None:
    (office.site.machines / "machines.yaml").write_text("entries: swordfish\n")
    office.site.built.source.current.refresh()
    await office.site.chore("recording of revisions").step()
    for role, is_shown in ((Role.VIEWER, True), (Role.AUDITOR, False)):
        person = await office.person(role.value, role)
        for form in ("csv", "jsonl"):
            page = await person.open(f"/audit/export?what=server&format={form}")
            assert ("entries must be a list" in page.text) is is_shown


@pytest.mark.anyio
async def test_the_settings_are_shown_without_secrets(office: Office) -> None:
    page = text_of(await (await office.person()).open("/settings"))
    assert "Different from the default public_url http://boot.example:8080 operators.confirm button All" in page
    assert "operators.confirm button" in page
    assert "grants.lifetime 10m · default" in page


def test_a_setting_that_may_contain_a_secret_is_hidden(tmp_path: Path) -> None:
    config = tmp_path / "bootgrant.toml"
    config.write_text('public_url = "https://boot.example"\n[database]\nurl = "postgresql://bg:hunter2@db/bg"\n')
    shown = {row.key: row for row in load_site(config).shown}
    assert (shown["database.url"].value, shown["database.url"].is_hidden) == ("", True)
    assert "hunter2" not in str(shown)
    assert shown["clients"].value == "talos"
