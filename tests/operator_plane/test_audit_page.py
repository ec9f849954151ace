"""The audit page and the settings page."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
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
    assert "2027-01-15 08:00:00 UTC Denied serial “ 0OCZJ19N17 ” by ana" in page
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
    await record(office, AuditEvent(NOW, AuditKind.OPENED, identity=hostile, address="10.20.0.9", grant_id="c" * 32))
    page = await (await office.person()).open("/audit")
    assert "&lt;script&gt;" in page.text
    assert "\u202e" not in page.text
    assert len(page.text) < 10_000


@pytest.mark.anyio
@pytest.mark.parametrize("query", ["before=-1", "before=99999999999999999999999", "what=%00", "request=%ff", "who=%27"])
async def test_an_invalid_query_does_not_fail(office: Office, query: str) -> None:
    assert (await (await office.person()).open(f"/audit?{query}")).status_code == 200


@pytest.mark.anyio
async def test_the_settings_are_shown_without_secrets(office: Office) -> None:
    page = text_of(await (await office.person()).open("/settings"))
    assert "public_url http://boot.example:8080" in page
    assert "operators.confirm button" in page
    assert "grants.lifetime 10m · default" in page


def test_a_setting_that_may_contain_a_secret_is_hidden(tmp_path: Path) -> None:
    config = tmp_path / "bootgrant.toml"
    config.write_text('public_url = "https://boot.example"\n[database]\nurl = "postgresql://bg:hunter2@db/bg"\n')
    shown = {row.key: row for row in load_site(config).shown}
    assert (shown["database.url"].value, shown["database.url"].is_hidden) == ("", True)
    assert "hunter2" not in str(shown)
    assert shown["clients"].value == "talos"
