"""Approving several machines on the page: what a row shows, which machines are left out, and what the result says."""

from __future__ import annotations

import re

import httpx2
import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.operators import Role
from bootgrant.approval.transitions import GrantState
from bootgrant.wire.identity import MachineIdentity
from support.grants import MAC, NOW, UUID, other_machine
from support.layered_site import write_machines
from support.office import Office, Person, text_of

pytestmark = pytest.mark.anyio
MODEL = """
entries:
  - name: worker-1
    match: {serial: SN0001}
    labels: {role: worker}
  - name: worker-2
    match: {serial: SN0002}
    labels: {role: worker}
  - name: cp-2
    match: {serial: SN0003}
    labels: {role: worker}
  - name: pool
    match: {mac: "52:54:00:*"}
    labels: {role: worker}
  - name: named
    match: {hostname: spare-9}
    labels: {role: worker}
  - name: spare
    labels: {role: worker}
  - name: pair
    labels: {role: worker}
    approvals: 2
"""
NONE = "\u2013"
"""What a row shows for a variable that the machine did not report."""


def with_model(office: Office) -> Office:
    write_machines(office.site.machines, {"machines.yaml": MODEL})
    office.site.built.source.current.refresh()
    return office


@pytest.fixture
def layered(office: Office) -> Office:
    return with_model(office)


async def state_of(office: Office, grant: DeviceGrant) -> GrantState:
    found = await office.site.database.grants.find_grant(grant.grant_id)
    assert found is not None
    return found.state


def rows_of(page: httpx2.Response) -> list[str]:
    """Return the text of each row of the queue."""
    rows = re.findall(r'(?s)<tr class="row".*?</tr>', page.text)
    return [" ".join(re.sub(r"<[^>]+>", " ", re.sub(r"</?time[^>]*>", "", row)).split()) for row in rows]


async def send_all(person: Person) -> httpx2.Response:
    """Send the form of the batch page as it is, with every box checked."""
    page = await person.open("/batch")
    boxes = re.findall(r'name="(m-[0-9a-f]+)" value="([0-9a-f]+)"', page.text)
    return await person.send("/batch", **dict(boxes))


async def test_rows_of_queue_and_batch_show_serial_mac_uuid_and_address(layered: Office) -> None:
    person = await layered.person()
    await layered.machine(identity=MachineIdentity(UUID, "SN0001", MAC), source_address="10.20.0.77")
    for path in ("/", "/batch"):
        page = text_of(await person.open(path))
        assert "Verdict Name Role Serial MAC UUID Address, network Age Time left Votes Notes" in page
        assert f"worker SN0001 {MAC} … {UUID[-12:]} 10.20.0.77" in page


async def test_a_machine_that_only_a_pattern_matched_says_so_and_cannot_be_selected(layered: Office) -> None:
    person = await layered.person()
    exact, _ = await layered.machine(identity=other_machine(1))
    grant, _ = await layered.machine(identity=MachineIdentity(mac="52:54:00:00:00:01"))
    named, _ = await layered.machine(identity=MachineIdentity(serial="SN0099", hostname="spare-9"))
    queue = await person.open("/")
    assert "Expected 1 Matched by pattern 2 Unknown 0" in text_of(queue)
    assert "Approve 1 expected" in text_of(queue)
    batch = await person.open("/batch")
    assert f'name="m-{exact.grant_id}"' in batch.text
    for one in (grant, named):
        assert f"m-{one.grant_id}" not in batch.text
        card = text_of(await person.open(f"/requests/{one.grant_id}"))
        assert "Matched by pattern" in card
        assert "Expected" not in card
    assert "Not in this list: 2" in text_of(batch)
    assert "It is only matched by pattern (mac 52:54:00:*): approve it on its own, by its own code." in text_of(batch)
    forced = await person.send("/batch", **{f"m-{grant.grant_id}": "0123456789abcdef"})
    assert forced.status_code == 409
    assert await state_of(layered, grant) is GrantState.PENDING


async def test_a_forged_form_with_the_right_fingerprint_approves_no_pattern_match(layered: Office) -> None:
    person = await layered.person()
    grant, _ = await layered.machine(identity=MachineIdentity(mac="52:54:00:00:00:01"))
    card = await person.open(f"/requests/{grant.grant_id}")
    seen = card.text.partition('name="seen" value="')[2][:16]
    page = await person.send("/batch", **{f"m-{grant.grant_id}": seen})
    assert page.status_code == 409
    assert "pool serial \u2013 MAC 52:54:00:00:00:01 UUID \u2013 10.20.0.11 It is only matched by pattern" in text_of(
        page
    )
    assert await state_of(layered, grant) is GrantState.PENDING


async def test_a_pattern_match_needs_its_own_four_characters(careful_office: Office) -> None:
    with_model(careful_office)
    person = await careful_office.person()
    grant, code = await careful_office.machine(identity=MachineIdentity(mac="52:54:00:00:00:01"))
    path = f"/requests/{grant.grant_id}"
    await person.open(path)
    assert (await person.send(f"{path}/approve")).status_code == 400
    assert await state_of(careful_office, grant) is GrantState.PENDING
    await person.send(f"{path}/approve", suffix=code[-4:])
    assert await state_of(careful_office, grant) is GrantState.APPROVED


async def test_two_rows_are_never_alike(layered: Office) -> None:
    person = await layered.person()
    first, code = await layered.machine(identity=MachineIdentity(serial="SN0001"))
    second, other = await layered.machine(identity=MachineIdentity(serial="SN0001", mac=MAC))
    rows = rows_of(await person.open("/"))
    note = "Hard to distinguish from another request. This one: requested at 08:00:00 UTC, code"
    seen = f"{NONE} 10.20.0.11 0:00 10:00 left {note}"
    assert f"SN0001 {MAC} {seen} {other[:4]}-\u2026" in rows[0] + rows[1]
    assert f"SN0001 {NONE} {seen} {code[:4]}-\u2026" in rows[0] + rows[1]
    batch = await person.open("/batch")
    assert "No machines can be approved together now" in text_of(batch)
    assert text_of(batch).count(note) == 2
    for grant in (first, second):
        card = text_of(await person.open(f"/requests/{grant.grant_id}"))
        assert "Another request from this address reports the same serial, MAC or UUID." in card


async def test_serials_that_only_look_the_same_are_shown_differently(layered: Office) -> None:
    person = await layered.person()
    for serial in ("SN0001", "SN0001\u200b", "S\u039d0001", "SN0001" + "0" * 200 + "1", "SN0001" + "0" * 200 + "2"):
        await layered.machine(identity=MachineIdentity(serial=serial))
    rows = [re.sub(r"[A-Z]{4}-[A-Z]{4}", "", row) for row in rows_of(await person.open("/"))]
    assert len(set(rows)) == 5


async def test_the_result_names_each_machine_and_says_why_others_were_refused(layered: Office) -> None:
    person, ben = await layered.person(), await layered.person("ben")
    grants = [
        await layered.machine(identity=MachineIdentity(serial=f"SN000{number}", mac=f"52:00:00:00:00:0{number}"))
        for number in (1, 2, 3)
    ]
    decided = grants[2][0].grant_id
    page = await person.open("/batch")
    boxes = dict(re.findall(r'name="(m-[0-9a-f]+)" value="([0-9a-f]+)"', page.text))
    assert len(boxes) == 3
    gone = "f" * 44
    await ben.open(f"/requests/{decided}")
    await ben.send(f"/requests/{decided}/deny", reason="wrong rack")
    result = await person.send("/batch", **boxes, **{f"m-{gone}": "0123456789abcdef"})
    words = text_of(result)
    assert "2 approved" in words
    assert "Not approved: 2" in words
    assert "cp-2 serial SN0003 MAC 52:00:00:00:00:03 UUID \u2013 10.20.0.11 Already denied by ben, 0 s ago." in words
    assert "Unknown machine It has changed since you looked, or is no longer waiting" in words
    for number in (1, 2):
        assert (
            f"\u2713 worker-{number} serial SN000{number} MAC 52:00:00:00:00:0{number} UUID \u2013 10.20.0.11" in words
        )


async def test_an_assigned_machine_names_who_assigned_it_everywhere(layered: Office) -> None:
    ana, ben = await layered.person(), await layered.person("ben", Role.APPROVER)
    grant, _ = await layered.machine(identity=other_machine(77))
    path = f"/requests/{grant.grant_id}"
    await ben.open(path)
    await ben.send(f"{path}/assign", entry="spare")
    assert "Assigned by ben" in text_of(await ana.open(path))
    assert "Expected" not in text_of(await ana.open(path))
    queue = text_of(await ana.open("/"))
    assert "+ Assigned by ben spare" in queue
    assert "Expected 0 Assigned 1 Unknown 0" in queue
    assert "Its entry was assigned by ben" in text_of(await ana.open("/batch"))


async def test_who_assigned_an_entry_for_two_people_is_only_one_of_them(layered: Office) -> None:
    ana, ben = await layered.person(), await layered.person("ben")
    grant, _ = await layered.machine(identity=other_machine(77))
    path = f"/requests/{grant.grant_id}"
    await ana.open(path)
    await ana.send(f"{path}/assign", entry="pair")
    card = text_of(await ana.open(path))
    assert "2 different people have to approve, and the one who assigned can be only one of them" in card
    await ana.send(f"{path}/approve")
    assert "1 of 2 approvals" in text_of(await ana.open(path))
    await ana.send(f"{path}/approve")
    assert await state_of(layered, grant) is GrantState.PENDING
    await ben.open(path)
    await ben.send(f"{path}/approve")
    assert await state_of(layered, grant) is GrantState.APPROVED


@pytest.mark.parametrize(
    ("name", "before", "now"),
    [
        ("serial", MachineIdentity(UUID, "SN0009"), MachineIdentity(UUID, "SN0001")),
        ("MAC", MachineIdentity(UUID, "SN0001", MAC), MachineIdentity(UUID, "SN0001", "52:00:00:00:00:09")),
        ("UUID", MachineIdentity(UUID, "SN0001"), MachineIdentity(UUID.replace("4", "5"), "SN0001")),
    ],
)
async def test_a_machine_that_differs_from_the_delivered_one_shows_both_values(
    layered: Office, name: str, before: MachineIdentity, now: MachineIdentity
) -> None:
    event = AuditEvent(
        NOW - 9000, AuditKind.DELIVERED, grant_id="old", identity=before, address="10.20.0.5", entry="worker-1"
    )
    await layered.site.database.audit.append([event])
    person = await layered.person()
    grant, _ = await layered.machine(identity=now)
    old, new = getattr(before, name.lower()), getattr(now, name.lower())
    card = text_of(await person.open(f"/requests/{grant.grant_id}"))
    assert "\u25b2 Mismatch" in card
    assert f"Delivered to Now {name} {old} {new}" in card
    assert "Expected" not in card
    queue = text_of(await person.open("/"))
    assert "\u25b2 Mismatch worker-1" in queue
    assert f'but with {name.lower()} "{old}" (now "{new}")' in queue
    assert "No machines can be approved together now" in text_of(await person.open("/batch"))


async def test_a_serial_like_the_name_of_an_entry_never_stands_where_a_name_does(layered: Office) -> None:
    person = await layered.person()
    liar, _ = await layered.machine(identity=MachineIdentity(serial="cp-2", hostname="cp-2"))
    await layered.machine(identity=other_machine(3))
    queue = await person.open("/")
    assert re.search("Unknown Unknown machine [A-Z-]+ no entry cp-2", text_of(queue))
    assert re.findall(r'<a href="/requests/[0-9a-f]+">(?:<bdi[^>]*>)?([^<]+)', queue.text).count("cp-2") == 1
    path = f"/requests/{liar.grant_id}"
    assert re.findall(r"<h1[^>]*>([^<]*)", (await person.open(path)).text) == ["Unknown machine"]
    assert "Unknown machine" in (await person.open(path)).text.partition("</title>")[0]
    await person.send(f"{path}/deny", reason="not ours")
    outcome = text_of(await person.open(path))
    assert "Denied Unknown machine" in outcome
    assert "Denied serial \u201c cp-2 \u201d by ana" in text_of(await person.open("/audit"))


async def test_selecting_all_that_is_offered_leaves_everything_else_waiting(layered: Office) -> None:
    person = await layered.person()
    exact = [(await layered.machine(identity=other_machine(number)))[0] for number in (1, 2, 3)]
    others = [
        (await layered.machine(identity=identity))[0]
        for identity in (MachineIdentity(mac="52:54:00:00:00:01"), MachineIdentity(serial="cp-2"), other_machine(77))
    ]
    assert "3 approved" in text_of(await send_all(person))
    assert [await state_of(layered, grant) for grant in exact] == [GrantState.APPROVED] * 3
    assert [await state_of(layered, grant) for grant in others] == [GrantState.PENDING] * 3
