"""A control plane takes two people, and a sign-in that is fresh; a machine without an entry is given one."""

from __future__ import annotations

import pytest

from bootgrant.approval.grant import DeviceGrant, GrantState
from bootgrant.approval.operators import Label, Role
from bootgrant.ports.people import Operator
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.watch_requests import request_version
from support.grants import NOW, UUID
from support.office import Office, text_of

pytestmark = pytest.mark.anyio

CONTROL_PLANE = "version: v1alpha1\nmachine:\n  type: controlplane\n"
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
    (office.site.machines / "all" / "00.yaml").write_text("version: v1alpha1\nmachine:\n  type: worker\n")
    (office.site.machines / "machines.yaml").write_text(MODEL)


async def test_the_first_of_two_is_told_that_another_is_needed_and_cannot_be_both(office: Office) -> None:
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


async def test_the_second_of_two_lets_it_in(office: Office) -> None:
    control_plane(office)
    ana, ben = await office.person("ana"), await office.person("ben")
    grant, _ = await office.machine()
    path = f"/requests/{grant.grant_id}"
    for person in (ana, ben):
        await person.open(path)
        await person.send(f"{path}/approve")
    assert "ana approved at 08:00:00 UTC" not in text_of(await ben.open("/"))
    assert (await state_of(office, grant)).state is GrantState.APPROVED
    told = text_of(await ana.open(path))
    assert f"Approved {UUID}.yaml The machine hears it" in told
    assert "approved by ana, 08:00:00 UTC decided by ben, 08:00:00 UTC" in told


async def test_a_vote_for_what_has_changed_is_asked_for_again_and_the_page_comes_to_rest(office: Office) -> None:
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


async def test_who_voted_as_another_spelling_of_themselves_is_told_so(office: Office) -> None:
    control_plane(office)
    ana = await office.person("ana")
    grant, code = await office.machine()
    async with office.site.admin("Ana") as admin:
        assert (await admin.post("/api/v1/approve", json={"code": code})).status_code == 200
    page = await ana.open(f"/requests/{grant.grant_id}")
    assert "You approved at 08:00:00 UTC" in text_of(page)
    assert f"/requests/{grant.grant_id}/approve" not in page.text


async def test_before_a_control_plane_an_old_sign_in_is_renewed_and_what_was_typed_is_kept(
    careful_office: Office,
) -> None:
    control_plane(careful_office)
    person = await careful_office.person()
    careful_office.site.clock.advance(3600)
    grant, code = await careful_office.machine(expires_at=NOW + 4200)
    await person.open(f"/requests/{grant.grant_id}")
    answer = await person.send(f"/requests/{grant.grant_id}/approve", suffix=code[-4:])
    assert answer.headers["location"].startswith("/login/again?next=%2Frequests%2F")
    assert f"suffix%3D{code[-4:]}" in answer.headers["location"]
    assert (await state_of(careful_office, grant)).votes == ()
    assert f'value="{code[-4:]}"' in (await person.open(f"/requests/{grant.grant_id}?suffix={code[-4:]}")).text


async def test_a_machine_without_an_entry_is_given_one_and_then_approved(office: Office) -> None:
    spare(office)
    person = await office.person()
    grant, _ = await office.machine(identity=MachineIdentity(serial="0OCZJ19N71"))
    path = f"/requests/{grant.grant_id}"
    assert "Assign…" in text_of(await person.open(path))
    assert (await person.send(f"{path}/assign", entry="spare")).status_code == 303
    page = await person.open(path)
    assert "It gets spare" in text_of(page)
    assert "Given to it by ana, 2027-01-15 08:00:00 UTC." in text_of(page)
    assert (await state_of(office, grant)).state is GrantState.PENDING
    assert (await person.send(f"{path}/approve")).status_code == 303
    assert (await state_of(office, grant)).entry == "spare"


async def test_what_was_assigned_can_be_taken_back_before_it_is_approved(office: Office) -> None:
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
    assert "nothing was assigned to this machine" in text_of(page)


async def test_an_entry_that_is_not_there_changes_nothing_and_stays_chosen(office: Office) -> None:
    spare(office)
    person = await office.person()
    grant, _ = await office.machine(identity=MachineIdentity(serial="0OCZJ19N71"))
    await person.open(f"/requests/{grant.grant_id}")
    page = await person.send(f"/requests/{grant.grant_id}/assign", entry="<b>nothing")
    assert page.status_code == 409
    assert "there is no entry" in text_of(page)
    assert "<b>" not in page.text


async def test_who_is_limited_to_other_machines_sees_why_there_is_no_button(office: Office) -> None:
    office.configure()
    await office.site.database.operators.add_operator(
        Operator("eva", "", NOW, role=Role.APPROVER, labels=(Label("site", "fra"),))
    )
    person = await office.person("eva")
    grant, _ = await office.machine()
    page = await person.open(f"/requests/{grant.grant_id}")
    assert "You decide about machines with site=fra only" in text_of(page)
    assert "Approve" not in text_of(page)
    assert (await person.send(f"/requests/{grant.grant_id}/approve")).status_code == 409
    assert (await state_of(office, grant)).state is GrantState.PENDING


async def test_a_viewer_may_look(office: Office) -> None:
    office.configure()
    await office.site.database.operators.add_operator(Operator("vic", "", NOW, role=Role.VIEWER))
    person = await office.person("vic")
    grant, _ = await office.machine()
    assert "You may look, not decide." in text_of(await person.open(f"/requests/{grant.grant_id}"))
    assert (await person.open("/batch")).status_code == 403
    assert (await person.open("/")).status_code == 200
