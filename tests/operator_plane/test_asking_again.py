"""The pages and the API when a machine asks again: moved and void votes, undelivered approvals, links."""

from __future__ import annotations

import pytest

from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.transitions import GrantState
from bootgrant.wire.identity import MachineIdentity
from support.grants import MAC, UUID
from support.office import Office, text_of

pytestmark = pytest.mark.anyio
CONTROL_PLANE = "version: v1alpha1\nmachine:\n  type: controlplane\n  ca: {crt: YQ==, key: YQ==}\ncluster: {}\n"


def control_plane(office: Office) -> None:
    (office.site.machines / f"{UUID}.yaml").write_text(CONTROL_PLANE)


async def approve(office: Office, name: str, grant: DeviceGrant) -> None:
    person = await office.person(name)
    path = f"/requests/{grant.grant_id}"
    await person.open(path)
    assert (await person.send(f"{path}/approve")).status_code == 303


async def redeem(office: Office, grant: DeviceGrant) -> None:
    await office.site.database.grants.change_grant(
        grant.grant_id, lambda g: g.redeem("talos", b"t" * 32, GrantRules(), office.site.clock.now())
    )


async def test_a_moved_vote_is_named_and_another_person_completes_it(office: Office) -> None:
    control_plane(office)
    first, _ = await office.machine()
    await approve(office, "ana", first)
    second, _ = await office.machine()
    path = f"/requests/{second.grant_id}"
    ben, ana = await office.person("ben"), await office.person("ana")
    page = await ben.open(path)
    assert "1 of 2 approvals ✓ ana approved the earlier request at 08:00:00 UTC; this vote still counts." in text_of(
        page
    )
    assert f'href="/requests/{first.grant_id}"' in page.text
    mine = await ana.open(path)
    assert "You approved the earlier request at 08:00:00 UTC; this vote still counts." in text_of(mine)
    assert f"{path}/approve" not in mine.text
    assert "1 of 2" in text_of(await ben.open("/"))
    assert (await ben.send(f"{path}/approve")).status_code == 303
    found = await office.site.database.grants.find_grant(second.grant_id)
    assert found is not None
    assert found.state is GrantState.APPROVED


async def test_a_void_vote_is_named_with_the_reason(office: Office) -> None:
    control_plane(office)
    first, _ = await office.machine()
    await approve(office, "ana", first)
    second, _ = await office.machine(identity=MachineIdentity(uuid=UUID, mac=MAC, hostname="<b>evil"))
    page = await (await office.person("ben")).open(f"/requests/{second.grant_id}")
    assert "0 of 2 approvals" in text_of(page)
    void = "✕ ana approved another request at 08:00:00 UTC; that vote is void for this one: "
    assert f"{void}the machine reports other values." in text_of(page)
    assert "<b>" not in page.text


async def test_a_void_vote_for_this_request_is_not_called_one_for_another(office: Office) -> None:
    control_plane(office)
    grant, code = await office.machine()
    await approve(office, "ana", grant)
    admin = office.site.admin("root")
    (await admin.post("/api/v1/operators/ana/disable")).raise_for_status()
    page = text_of(await (await office.person("ben")).open(f"/requests/{grant.grant_id}"))
    why = "this person, or their token, lost the right to approve this machine"
    assert f"✕ ana approved at 08:00:00 UTC; this vote is void: {why}." in page
    assert "another request" not in page
    [vote] = (await admin.get(f"/api/v1/grants/{code}")).json()["void_votes"]
    assert (vote["request"], vote["message"]) == (None, f"ana approved this request; this vote is void: {why}")


async def test_a_void_vote_for_another_request_is_called_that_by_the_api(office: Office) -> None:
    control_plane(office)
    first, _ = await office.machine()
    await approve(office, "ana", first)
    _, code = await office.machine(identity=MachineIdentity(uuid=UUID, mac=MAC, hostname="other"))
    [vote] = (await office.site.admin("root").get(f"/api/v1/grants/{code}")).json()["void_votes"]
    assert vote["request"] == first.grant_id
    assert vote["message"] == (
        "ana approved another request; that vote is void for this one: the machine reports other values"
    )


async def test_a_replaced_request_links_to_the_newest_one(office: Office) -> None:
    office.configure()
    first, code = await office.machine()
    await office.machine()
    newest, _ = await office.machine()
    person = await office.person()
    page = await person.open(f"/requests/{first.grant_id}")
    assert f'href="/requests/{newest.grant_id}">Open the newer request</a>' in page.text
    async with office.site.admin("root") as admin:
        shown = (await admin.get(f"/api/v1/grants/{code}")).json()
        refused = await admin.post("/api/v1/approve", json={"code": code})
    assert (shown["state"], shown["replaced_by"]) == ("replaced", newest.grant_id)
    assert refused.json()["message"].endswith(f"decide about that one (request {newest.grant_id})")


async def test_the_newest_request_may_have_ended_as_well(office: Office) -> None:
    office.configure()
    first, _ = await office.machine()
    second, _ = await office.machine()
    await approve(office, "ana", second)
    page = await (await office.person("ben")).open(f"/requests/{first.grant_id}")
    assert "The newer request has ended as well: approved." in text_of(page)


async def test_an_undelivered_approval_is_named_on_the_card_in_the_queue_and_by_the_api(office: Office) -> None:
    office.configure()
    first, _ = await office.machine()
    await approve(office, "ana", first)
    office.site.clock.advance(17)
    second, code = await office.machine()
    said = "Approved by ana 17 s ago, but never delivered: the machine lost its code. Approve again."
    person = await office.person("ben")
    card = await person.open(f"/requests/{second.grant_id}")
    assert said in text_of(card)
    assert said in text_of(await person.open("/"))
    async with office.site.admin("root") as admin:
        [one] = (await admin.get("/api/v1/pending")).json()["pending"]
    assert (one["code"], one["undelivered"]["message"]) == (code, said)
    assert one["undelivered"]["request"] == first.grant_id
    assert (one["undelivered"]["by"], one["undelivered"]["what"]) == ("ana", "code waiting")
    await person.open(f"/requests/{second.grant_id}")
    assert (await person.send(f"/requests/{second.grant_id}/approve")).status_code == 303


async def test_the_four_characters_are_needed_to_approve_it_again(careful_office: Office) -> None:
    careful_office.configure()
    first, old = await careful_office.machine()
    person = await careful_office.person()
    await person.open(f"/requests/{first.grant_id}")
    await person.send(f"/requests/{first.grant_id}/approve", suffix=old[-4:])
    second, code = await careful_office.machine()
    path = f"/requests/{second.grant_id}"
    assert "never delivered" in text_of(await person.open(path))
    assert (await person.send(f"{path}/approve")).status_code == 400
    assert (await person.send(f"{path}/approve", suffix=old[-4:])).status_code == 400
    assert (await person.send(f"{path}/approve", suffix=code[-4:])).status_code == 303


@pytest.mark.parametrize("redeemed", [False, True])
async def test_a_disabled_operators_undelivered_approvals_become_void_and_the_request_says_why(
    office: Office, redeemed: bool
) -> None:
    office.configure()
    grant, code = await office.machine()
    await approve(office, "ana", grant)
    if redeemed:
        await redeem(office, grant)
    async with office.site.admin("root") as admin:
        [ana] = (await admin.get("/api/v1/operators")).json()["operators"]
        assert ana["undelivered_approvals"] == 1
        done = await admin.post("/api/v1/operators/ana/disable")
        assert done.json() == {"name": "ana", "void_approvals": 1}
        shown = (await admin.get(f"/api/v1/grants/{code}")).json()
        again = await admin.post("/api/v1/approve", json={"code": code})
    assert (shown["state"], shown["void_reason"]) == ("void", "the operator ana was disabled")
    assert "its approval is void: the operator ana was disabled" in again.json()["message"]
    page = text_of(await (await office.person("ben")).open(f"/requests/{grant.grant_id}"))
    assert "Approval void The operator ana was disabled. No complete download was recorded." in " ".join(
        page.replace(f"{UUID}.yaml ", "").split()
    )
    audit = text_of(await (await office.person("ben")).open("/audit"))
    assert "Became void" in audit


async def test_a_demoted_operators_undelivered_approvals_become_void(office: Office) -> None:
    office.configure()
    grant, _ = await office.machine()
    await approve(office, "ana", grant)
    async with office.site.admin("root") as admin:
        same = await admin.patch("/api/v1/operators/ana", json={"role": "approver"})
        less = await admin.patch("/api/v1/operators/ana", json={"role": "viewer"})
    assert (same.json()["void_approvals"], less.json()["void_approvals"]) == (0, 1)
