"""The API of entries: each with its state and last delivery; one with its events, and what has changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import Role
from bootgrant.operator_plane.withheld import WITHHELD
from bootgrant.ports.grants import Assignment
from bootgrant.wire.identity import MachineIdentity
from support.api_program import program
from support.grants import NOW
from support.office import Office
from support.site import site_in_process

pytestmark = pytest.mark.anyio
MODEL = """
defaults: {schema: yaml, layers: [all]}
entries:
  - {name: db-1, match: {serial: SN1}, labels: {site: fra}}
  - {name: db-2, match: {serial: SN2}, labels: {site: ams}}
  - {name: db-3, match: {serial: SN3}, labels: {site: fra}, layers: [nowhere]}
  - {name: spare}
"""
ONE = MachineIdentity(serial="SN1", hostname="db")


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Office]:
    folder = tmp_path / "machines"
    (folder / "all").mkdir(parents=True)
    (folder / "machines.yaml").write_text(MODEL)
    write(folder)
    with site_in_process(tmp_path) as site:
        site.built.source.current.refresh()
        yield Office(site)


def write(folder: Path, disk: str = "sda", password: str = "Tr0ub4dor&3") -> None:
    (folder / "all/a.yaml").write_text(f"disk: {disk}\npassword: {password}\n")


async def deliver(office: Office, entry: str = "db-1", made: str = "") -> None:
    rendered = await office.site.built.source.render(entry, ONE)
    assert rendered is not None
    details: dict[str, str | int] = {"made_at_delivery": made} if made else {}
    event = AuditEvent(
        NOW, AuditKind.DELIVERED, grant_id="f" * 32, identity=ONE, address="10.20.0.37", entry=entry,
        revision=rendered.entry.revision, digest=rendered.sha256, details=details,
    )  # fmt: skip
    await office.site.database.audit.append([event])


async def keep_previews(office: Office) -> None:
    await office.site.chore("previews of deliveries").step()


async def changes(client: httpx2.AsyncClient, entry: str = "db-1") -> dict[str, Any]:
    answer = await client.get(f"/api/v1/entries/{entry}/configuration")
    found: dict[str, Any] = answer.raise_for_status().json()["changes"]
    return found


def change(office: Office, **changed: str) -> None:
    write(office.site.machines, **changed)
    office.site.clock.advance(60)
    office.site.built.source.current.refresh()


async def test_each_entry_has_its_state_and_last_delivery(shelf: Office) -> None:
    await deliver(shelf)
    grant, _ = await shelf.machine(identity=MachineIdentity(serial="SN2"))
    await shelf.site.database.assignments.put(Assignment(MachineIdentity(serial="SN9"), "spare", "ana", NOW))
    client = await program(shelf, Role.VIEWER)
    found = {one["name"]: one for one in (await client.get("/api/v1/machines")).json()["entries"]}
    states = {"db-1": "delivered", "db-2": "waiting", "db-3": "broken", "spare": "assigned"}
    assert {name: one["state"] for name, one in found.items()} == states
    last = found["db-1"]["last_delivery"]
    assert (last["at"], last["address"], last["identity"]) == (NOW, "10.20.0.37", ONE.given())
    assert (found["db-2"]["last_delivery"], found["db-2"]["requests"]) == (None, [grant.grant_id])
    assert "nowhere" in found["db-3"]["problem"]
    assert found["spare"]["assigned_by"] == "ana"
    labeled = await client.get("/api/v1/machines", params={"label": "site=ams"})
    assert [one["name"] for one in labeled.json()["entries"]] == ["db-2"]


async def test_one_entry_has_its_assignments_and_events(shelf: Office) -> None:
    await deliver(shelf)
    await shelf.site.database.assignments.put(Assignment(MachineIdentity(serial="SN9"), "db-1", "ana", NOW))
    client = await program(shelf, Role.AUDITOR)
    answer = (await client.get("/api/v1/entries/db-1")).json()
    assert answer["entry"]["name"] == "db-1"
    assert [one["identity"] for one in answer["assignments"]] == [{"serial": "SN9"}]
    assert [event["kind"] for event in answer["events"]] == ["delivered"]
    unknown = await client.get("/api/v1/entries/nothing")
    assert (unknown.status_code, unknown.json()["error"]) == (404, "no_entry")


async def test_an_auditor_sees_neither_problems_nor_configurations(shelf: Office) -> None:
    client = await program(shelf, Role.AUDITOR)
    found = (await client.get("/api/v1/entries/db-3")).json()["entry"]
    assert (found["state"], found["problem"]) == ("broken", WITHHELD)
    assert (await client.get("/api/v1/entries/db-1/configuration")).status_code == 403


async def test_what_has_changed_since_the_last_delivery(shelf: Office) -> None:
    client = await program(shelf, Role.VIEWER)
    assert (await changes(client))["what"] == "never"
    await deliver(shelf)
    await keep_previews(shelf)
    assert (await changes(client))["what"] == "same"
    change(shelf, password="correct-horse-battery")
    hidden = await changes(client)
    assert (hidden["what"], hidden["lines"]) == ("hidden", [])
    change(shelf, disk="nvme0n1", password="correct-horse-battery")
    shown = await changes(client)
    assert shown["what"] == "shown"
    assert {"-disk: sda", "+disk: nvme0n1"} < set(shown["lines"])
    assert "horse" not in str(shown)
    broken = await client.get("/api/v1/entries/db-3/configuration")
    assert (broken.status_code, broken.json()["error"]) == (409, "no_config")


async def test_without_a_preview_the_reason_is_given(shelf: Office) -> None:
    client = await program(shelf, Role.VIEWER)
    await deliver(shelf)
    change(shelf, disk="nvme0n1")
    pending = await changes(client)
    assert (pending["what"], pending["no_preview"]) == ("unknown", "pending")
    await keep_previews(shelf)
    assert (await changes(client))["no_preview"] == "changed"


async def test_values_made_at_delivery_are_not_compared(shelf: Office) -> None:
    client = await program(shelf, Role.VIEWER)
    await deliver(shelf, made="join_key")
    await keep_previews(shelf)
    found = await changes(client)
    assert (found["what"], found["made"], found["lines"]) == ("made", "join_key", [])
    change(shelf, disk="nvme0n1")
    found = await changes(client)
    assert (found["what"], found["made"]) == ("shown", "join_key")
