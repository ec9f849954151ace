"""A control plane needs two people and a recent sign-in. A machine without an entry can be assigned one."""

from __future__ import annotations

import pytest

from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.operators import Label, Role
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.people import Operator
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.watch_requests import request_version
from support.grants import NOW, UUID
from support.office import Office, text_of

pytestmark = pytest.mark.anyio

CONTROL_PLANE = "version: v1alpha1\nmachine:\n  type: controlplane\n  ca: {crt: YQ==, key: YQ==}\ncluster: {}\n"
MODEL = """
entries:
  - name: spare
    labels: {role: worker, site: ams}
    layers: [all]
"""


async def state_of(office: Office, grant: DeviceGrant) -> DeviceGrant:
    found = await office.site.database.grants.find_grant(grant.grant_id)
    assert found is not None
    return found


def control_plane(office: Office) -> None:
    (office.site.machines / f"{UUID}.yaml").write_text(CONTROL_PLANE)


def spare(office: Office) -> None:
    (office.site.machines / "all").mkdir()
    (office.site.machines / "all" / "00.yaml").write_text(
        "version: v1alpha1\nmachine:\n  type: worker\n  ca: {crt: YQ==}\ncluster: {}\n"
    )
    (office.site.machines / "machines.yaml").write_text(MODEL)


async def test_the_first_of_two_operators_cannot_also_be_the_second(office: Office) -> None:
    control_plane(office)
    ana = await office.person("ana")
    grant, _ = await office.machine()
    path = f"/requests/{grant.grant_id}"
    assert "needs 2 approvals" in text_of(await ana.open(path))
    assert (await ana.send(f"{path}/approve")).status_code == 303
    page = await ana.open(path)
    assert "1 of 2 approvals ✓ You approved at 08:00:00 UTC" in text_of(page)
    assert f"{path}/approve" not in page.text
    assert (await ana.send(f"{path}/approve")).headers["location"] == path
    assert (await state_of(office, grant)).state is GrantState.PENDING
    assert "1 of 2" in text_of(await ana.open("/"))


async def test_the_second_of_two_operators_completes_the_approval(office: Office) -> None:
    control_plane(office)
    ana, ben = await office.person("ana"), await office.person("ben")
    grant, _ = await office.machine()
    path = f"/requests/{grant.grant_id}"
    for person in (ana, ben):
        await person.open(path)
        await person.send(f"{path}/approve")
    assert "ana approved at 08:00:00 UTC" not in text_of(await ben.open("/"))
    assert (await state_of(office, grant)).state is GrantState.APPROVED
    page = text_of(await ana.open(path))
    assert f"Approved {UUID}.yaml The machine will be notified" in page
    assert "approved by ana, 08:00:00 UTC decided by ben, 08:00:00 UTC" in page


async def test_a_vote_for_an_entry_that_changed_must_be_repeated(office: Office) -> None:
    spare(office)
    layers = office.site.machines / "all" / "00.yaml"
    layers.write_text(CONTROL_PLANE)
    model = office.site.machines / "machines.yaml"
    model.write_text(MODEL.replace("labels", f"match: {{uuid: {UUID}}}\n    labels"))
    ana = await office.person("ana")
    grant, _ = await office.machine()
    path = f"/requests/{grant.grant_id}"
    await ana.open(path)
    await ana.send(f"{path}/approve")
    model.write_text(model.read_text().replace("site: ams", "site: fra"))
    office.site.built.source.current.refresh()
    page = await ana.open(path)
    assert "You approved" not in text_of(page)
    assert f"{path}/approve" in page.text
    assert "0 of 2" in text_of(await ana.open("/"))
    assert f'data-version="{request_version(await state_of(office, grant), NOW)}"' in page.text
    await ana.send(f"{path}/approve")
    assert "1 of 2 approvals ✓ You approved" in text_of(await ana.open(path))


async def test_a_vote_under_another_spelling_of_the_name_is_recognised(office: Office) -> None:
    control_plane(office)
    ana = await office.person("ana")
    grant, code = await office.machine()
    async with office.site.admin("Ana") as admin:
        assert (await admin.post("/api/v1/approve", json={"code": code})).status_code == 200
    page = await ana.open(f"/requests/{grant.grant_id}")
    assert "You approved at 08:00:00 UTC" in text_of(page)
    assert f"/requests/{grant.grant_id}/approve" not in page.text


async def test_a_control_plane_needs_a_recent_sign_in_before_the_characters_are_typed(careful_office: Office) -> None:
    control_plane(careful_office)
    person = await careful_office.person()
    careful_office.site.clock.advance(3600)
    grant, code = await careful_office.machine(expires_at=NOW + 4200)
    page = await person.open(f"/requests/{grant.grant_id}")
    assert "Sign in again to approve" in text_of(page)
    assert 'name="suffix"' not in page.text
    answer = await person.send(f"/requests/{grant.grant_id}/approve", suffix=code[-4:])
    assert answer.headers["location"] == f"/login/again?next=%2Frequests%2F{grant.grant_id}"
    assert (await state_of(careful_office, grant)).votes == ()
    fresh = await careful_office.person()
    page = await fresh.open(f"/requests/{grant.grant_id}")
    assert "Sign in again to approve" not in text_of(page)
    assert 'name="suffix"' in page.text


async def test_a_machine_without_an_entry_can_be_assigned_one_and_approved(office: Office) -> None:
    spare(office)
    person = await office.person()
    grant, _ = await office.machine(identity=MachineIdentity(serial="0OCZJ19N71"))
    path = f"/requests/{grant.grant_id}"
    assert "Assign…" in text_of(await person.open(path))
    assert (await person.send(f"{path}/assign", entry="spare")).status_code == 303
    page = await person.open(path)
    assert "Configuration spare" in text_of(page)
    assert "Assigned by ana, 2027-01-15 08:00:00 UTC." in text_of(page)
    assert (await state_of(office, grant)).state is GrantState.PENDING
    assert (await person.send(f"{path}/approve")).status_code == 303
    assert (await state_of(office, grant)).entry == "spare"


async def test_an_assignment_can_be_removed_before_the_approval(office: Office) -> None:
    spare(office)
    person = await office.person()
    grant, _ = await office.machine(identity=MachineIdentity(serial="0OCZJ19N71"))
    path = f"/requests/{grant.grant_id}"
    await person.open(path)
    await person.send(f"{path}/assign", entry="spare")
    await person.send(f"{path}/unassign")
    assert "Unknown machine" in text_of(await person.open(path))
    page = await person.send(f"{path}/unassign")
    assert page.status_code == 409
    assert "this machine has no assigned entry" in text_of(page)


async def test_assigning_an_unknown_entry_changes_nothing(office: Office) -> None:
    spare(office)
    person = await office.person()
    grant, _ = await office.machine(identity=MachineIdentity(serial="0OCZJ19N71"))
    await person.open(f"/requests/{grant.grant_id}")
    page = await person.send(f"/requests/{grant.grant_id}/assign", entry="<b>nothing")
    assert page.status_code == 409
    assert "there is no entry" in text_of(page)
    assert "<b>" not in page.text


async def test_an_operator_limited_to_other_machines_sees_why_they_cannot_approve(office: Office) -> None:
    office.configure()
    await office.site.database.operators.add_operator(
        Operator("eva", "", NOW, role=Role.APPROVER, labels=(Label("site", "fra"),))
    )
    person = await office.person("eva")
    grant, _ = await office.machine()
    page = await person.open(f"/requests/{grant.grant_id}")
    assert "You can only decide about machines with site=fra" in text_of(page)
    assert "Approve" not in text_of(page)
    assert (await person.send(f"/requests/{grant.grant_id}/approve")).status_code == 409
    assert (await state_of(office, grant)).state is GrantState.PENDING


async def test_a_viewer_can_view_requests(office: Office) -> None:
    office.configure()
    await office.site.database.operators.add_operator(Operator("vic", "", NOW, role=Role.VIEWER))
    person = await office.person("vic")
    grant, _ = await office.machine()
    assert "You can view requests, but not decide about them." in text_of(
        await person.open(f"/requests/{grant.grant_id}")
    )
    assert (await person.open("/batch")).status_code == 403
    assert (await person.open("/")).status_code == 200
