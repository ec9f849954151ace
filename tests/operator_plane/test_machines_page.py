"""The pages of machines: the list with its states and filters, one machine, what has changed, assign and unassign."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import Label, Role
from bootgrant.operator_plane.wording import text
from bootgrant.ports.grants import Assignment
from bootgrant.ports.people import Operator
from bootgrant.wire.identity import MachineIdentity
from support.grants import NOW, decision_by
from support.office import Office, Person, text_of
from support.site import site_in_process

pytestmark = pytest.mark.anyio

MODEL = """
defaults: {schema: talos, layers: ["{role}"]}
entries:
  - name: worker-1
    match: {serial: SN1}
    labels: {role: worker, site: fra}
    networks: [10.20.0.0/24]
  - name: worker-2
    match: {serial: SN2}
    labels: {role: worker, site: ams}
  - name: worker-3
    match: {serial: SN3}
    labels: {role: worker, site: fra}
    layers: [nowhere]
  - name: spare
    labels: {role: worker, site: fra}
"""
LAYER = """version: v1alpha1
machine:
  type: worker
  token: {token}
  ca: {{crt: YQ==}}
  install: {{disk: {disk}}}
cluster:
  controlPlane: {{endpoint: "https://10.20.0.10:6443"}}
"""
ONE = MachineIdentity(serial="SN1", mac="52:54:00:00:00:01")
STRANGER = MachineIdentity(serial="SN9", mac="52:54:00:00:00:09")


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Office]:
    """A site with layers, one of whose entries is broken."""
    folder = tmp_path / "machines"
    folder.mkdir()
    (folder / "machines.yaml").write_text(MODEL)
    write_layer(folder)
    with site_in_process(tmp_path) as site:
        site.built.source.current.refresh()
        yield Office(site)


def write_layer(folder: Path, disk: str = "/dev/sda", token: str = "0m2ynq.h2a9qjrr2v4exxxx") -> None:
    (folder / "worker").mkdir(exist_ok=True)
    (folder / "worker/00-base.yaml").write_text(LAYER.format(disk=disk, token=token))


async def deliver(office: Office, entry: str = "worker-1", identity: MachineIdentity = ONE) -> None:
    """Record that a machine got what its entry has now, and keep the preview of that."""
    rendered = await office.site.built.source.render(entry, identity)
    assert rendered is not None
    event = AuditEvent(
        office.site.clock.now(), AuditKind.DELIVERED, identity=identity, address="10.20.0.37", entry=entry,
        revision=rendered.entry.revision, digest=rendered.sha256,
    )  # fmt: skip
    await office.site.database.audit.append([event])
    await office.site.chore("previews of deliveries").step()


def change(office: Office, **changed: str) -> None:
    write_layer(office.site.machines, **changed)
    office.site.clock.advance(60)
    office.site.built.source.current.refresh()


def rows_of(page: str) -> dict[str, str]:
    """Return the rows of the list by the name of the entry, each as text."""
    rows = re.findall(r'(?s)<li><a href="/machines/([^"]+)">(.*?)</li>', page)
    return {name: " ".join(re.sub(r"<[^>]+>", " ", row).split()) for name, row in rows}


async def names(person: Person, query: str) -> list[str]:
    return list(rows_of((await person.open(f"/machines{query}")).text))


async def test_the_list_has_each_entry_with_its_state_and_last_delivery(shelf: Office) -> None:
    await deliver(shelf)
    grant, _ = await shelf.machine(identity=MachineIdentity(serial="SN2"))
    await shelf.site.database.assignments.put(Assignment(STRANGER, "spare", "ana", NOW))
    page = await (await shelf.person(role=Role.VIEWER)).open("/machines")
    rows = rows_of(page.text)
    assert list(rows) == ["spare", "worker-1", "worker-2", "worker-3"]
    assert text("machines.is_assigned", by="ana") in rows["spare"]
    assert text("machines.is_delivered") in rows["worker-1"]
    assert "to 10.20.0.37, serial SN1" in rows["worker-1"]
    assert f'href="/requests/{grant.grant_id}">{text("machines.is_waiting_one")}' in page.text
    assert text("machines.is_broken") in rows["worker-3"]
    assert "the layer nowhere is not a file or a folder" in rows["worker-3"]


async def test_an_approved_machine_is_downloading(shelf: Office) -> None:
    grant, _ = await shelf.machine(identity=ONE)
    await shelf.site.database.grants.change_grant(
        grant.grant_id, lambda stored: stored.approve(decision_by("ana", NOW), "worker-1")
    )
    page = await (await shelf.person()).open("/machines")
    assert text("machines.is_approved") in rows_of(page.text)["worker-1"]


async def test_the_list_can_be_filtered(shelf: Office) -> None:
    await deliver(shelf)
    person = await shelf.person()
    for query, found in {
        "?q=WORKER+sn2": ["worker-2"],
        "?q=52:54:00:00:00:01": ["worker-1"],
        "?q=10.20.0.37": ["worker-1"],
        "?q=site%3Dams": ["worker-2"],
        "?label=site%3Dfra": ["spare", "worker-1", "worker-3"],
        "?state=broken": ["worker-3"],
        "?state=delivered&label=site%3Dams": [],
        "?state=nonsense&page=99": ["spare", "worker-1", "worker-2", "worker-3"],
    }.items():
        assert (query, await names(person, query)) == (query, found)


async def test_an_auditor_does_not_see_why_an_entry_is_broken(shelf: Office) -> None:
    auditor = await shelf.person("ada", Role.AUDITOR)
    for path in ("/machines", "/machines/worker-3"):
        page = await auditor.open(path)
        assert text("machines.is_broken") in page.text
        assert "nowhere" not in page.text.replace("/machines/nowhere", "")


async def test_a_machine_has_its_facts_and_its_story(shelf: Office) -> None:
    await deliver(shelf)
    page = text_of(await (await shelf.person(role=Role.VIEWER)).open("/machines/worker-1"))
    for fact in ("serial: SN1", "10.20.0.0/24", "52:54:00:00:00:01", "10.20.0.37", text("audit.delivered")):
        assert fact in page
    assert text("changes.is_same") in page


async def test_what_has_changed_is_shown_without_secrets(shelf: Office) -> None:
    await deliver(shelf)
    change(shelf, disk="/dev/nvme0n1", token="abcdef.0123456789abcdef")
    page = await (await shelf.person(role=Role.VIEWER)).open("/machines/worker-1")
    assert re.search(r'class="removed">- +install: {disk: /dev/sda}\n', page.text)
    assert re.search(r'class="added">\+ +install: {disk: /dev/nvme0n1}\n', page.text)
    assert "0m2ynq" not in page.text
    assert "abcdef." not in page.text


async def test_a_changed_secret_is_said_and_not_shown(shelf: Office) -> None:
    await deliver(shelf)
    change(shelf, token="abcdef.0123456789abcdef")
    page = await (await shelf.person()).open("/machines/worker-1")
    assert text("changes.is_hidden") in text_of(page)
    assert "abcdef." not in page.text


async def test_the_preview_names_the_machine_that_it_is_for(shelf: Office) -> None:
    person = await shelf.person(role=Role.VIEWER)
    assert text("machine.preview_sample") in text_of(await person.open("/machines/worker-1"))
    await deliver(shelf)
    await shelf.machine(identity=MachineIdentity(serial="SN1", mac="52:54:00:00:00:77"))
    page = text_of(await person.open("/machines/worker-1"))
    assert f"{text('machine.preview_for')} serial “ SN1 ”." in page


async def test_no_secret_is_in_the_database(shelf: Office) -> None:
    await deliver(shelf)
    (last,) = await shelf.site.database.deliveries.last_deliveries()
    preview = await shelf.site.database.deliveries.preview_of(last)
    assert "disk: /dev/sda" in preview
    assert "0m2ynq" not in preview


async def test_an_auditor_sees_no_configuration(shelf: Office) -> None:
    await deliver(shelf)
    change(shelf, disk="/dev/nvme0n1")
    page = await (await shelf.person("ada", Role.AUDITOR)).open("/machines/worker-1")
    assert text("audit.delivered") in page.text
    assert "nvme0n1" not in page.text
    assert "/dev/sda" not in page.text


async def test_an_entry_is_assigned_to_a_waiting_machine_and_unassigned(shelf: Office) -> None:
    grant, _ = await shelf.machine(identity=STRANGER)
    person = await shelf.person(role=Role.APPROVER)
    page = await person.open("/machines/spare")
    assert f'value="{grant.grant_id}"' in page.text
    done = await person.send("/machines/spare/assign", request=grant.grant_id)
    assert (done.status_code, done.headers["location"]) == (303, "/machines/spare")
    page = await person.open("/machines/spare")
    assert f'value="{grant.grant_id}"' not in page.text
    assert 'name="serial" value="SN9"' in page.text
    done = await person.send("/machines/spare/unassign", serial="SN9", mac="52:54:00:00:00:09")
    assert done.status_code == 303
    assert await shelf.site.database.assignments.assignments() == []
    story = text_of(await person.open("/machines/spare"))
    assert story.index(text("audit.unassigned")) < story.rindex(text("audit.assigned"))


async def test_an_operator_outside_the_labels_cannot_unassign(shelf: Office) -> None:
    await shelf.site.database.assignments.put(Assignment(STRANGER, "spare", "ana", NOW))
    ben = Operator("ben", "", NOW, Role.APPROVER, (Label("site", "ams"),))
    await shelf.site.database.operators.add_operator(ben)
    person = await shelf.person("ben")
    assert "unassign" not in (await person.open("/machines/spare")).text
    refused = await person.send("/machines/spare/unassign", serial="SN9")
    assert refused.status_code == 409
    assert "outside your labels" in text_of(refused)
    assert len(await shelf.site.database.assignments.assignments()) == 1


async def test_an_unknown_entry_leads_to_the_audit(shelf: Office) -> None:
    page = await (await shelf.person()).open("/machines/gone%22x")
    assert page.status_code == 404
    assert 'href="/audit?entry=gone%22x"' in page.text


async def test_the_configuration_of_a_request_has_the_changes_too(shelf: Office) -> None:
    await deliver(shelf)
    change(shelf, disk="/dev/nvme0n1")
    grant, _ = await shelf.machine(identity=ONE)
    page = await (await shelf.person()).open(f"/requests/{grant.grant_id}/configuration")
    assert 'class="added">' in page.text
    assert 'href="/machines/worker-1"' in page.text


async def test_two_thousand_entries_are_listed_in_small_pages(tmp_path: Path) -> None:
    folder = tmp_path / "machines"
    folder.mkdir()
    entries = "".join(
        f"  - {{name: rack{n // 40:02}-node{n:04}, match: {{serial: SN{n:05}}}, labels: {{role: worker, site: fra}}}}\n"
        for n in range(2000)
    )
    (folder / "machines.yaml").write_text(f"defaults: {{schema: yaml, layers: [worker]}}\nentries:\n{entries}")
    (folder / "worker").mkdir()
    (folder / "worker/a.yaml").write_text("a: 1\n")
    with site_in_process(tmp_path) as site:
        site.built.source.current.refresh()
        office = Office(site)
        await site.database.audit.append([_delivered(number) for number in range(2000)])
        person = await office.person()
        await person.open("/machines")
        began = time.perf_counter()
        page = await person.open("/machines?page=2")
        seconds = time.perf_counter() - began
        assert len(rows_of(page.text)) == 50
        assert len(page.content) < 25_000
        assert seconds < 2
        assert await names(person, "?q=sn01234") == ["rack30-node1234"]


def _delivered(number: int) -> AuditEvent:
    last = f"{number // 256:02x}:{number % 256:02x}"
    identity = MachineIdentity(serial=f"SN{number:05}", mac=f"52:54:00:00:{last}")
    entry = f"rack{number // 40:02}-node{number:04}"
    return AuditEvent(NOW, AuditKind.DELIVERED, identity=identity, address="10.20.0.1", entry=entry)
