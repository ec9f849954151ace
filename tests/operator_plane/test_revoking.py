"""The button that revokes an approval: who sees it, and what it does."""

from __future__ import annotations

import pytest

from bootgrant.approval.operators import Label, Role
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.people import Operator
from support.grants import NOW
from support.office import Office, text_of

pytestmark = pytest.mark.anyio


async def approved(office: Office) -> str:
    """Return the page of an approved machine."""
    office.configure()
    grant, code = await office.machine()
    done = await office.site.admin().post("/api/v1/approve", json={"code": code})
    assert done.status_code == 200, done.text
    return f"/requests/{grant.grant_id}"


async def state_of(office: Office, path: str) -> GrantState:
    found = await office.site.database.grants.find_grant(path.rpartition("/")[2])
    assert found is not None
    return found.state


async def test_an_admin_can_revoke_an_approval(office: Office) -> None:
    path = await approved(office)
    ana = await office.person("ana")
    assert "Revoke approval" in text_of(await ana.open(path))
    assert (await ana.send(f"{path}/revoke")).headers["location"] == path
    assert await state_of(office, path) is GrantState.REVOKED
    page = text_of(await ana.open(path))
    assert "✕ Revoked" in page
    assert "Revoke approval" not in page
    assert (await ana.send(f"{path}/revoke")).headers["location"] == path


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER])
async def test_lower_roles_do_not_see_the_button(office: Office, role: Role) -> None:
    path = await approved(office)
    ben = await office.person("ben", role)
    assert f"{path}/revoke" not in (await ben.open(path)).text
    assert (await ben.send(f"{path}/revoke")).status_code == 403
    assert await state_of(office, path) is GrantState.APPROVED


async def test_an_admin_limited_to_other_machines_does_not_see_the_button(office: Office) -> None:
    path = await approved(office)
    await office.site.database.operators.add_operator(Operator("cay", "", NOW, Role.ADMIN, (Label("site", "fra"),)))
    cay = await office.person("cay")
    assert f"{path}/revoke" not in (await cay.open(path)).text
    answer = await cay.send(f"{path}/revoke")
    assert (answer.status_code, "site=fra" in text_of(answer)) == (409, True)
    assert "Nothing was changed" in text_of(answer)
    assert await state_of(office, path) is GrantState.APPROVED


async def test_a_pending_request_cannot_be_revoked(office: Office) -> None:
    office.configure()
    grant, _ = await office.machine()
    ana = await office.person("ana")
    path = f"/requests/{grant.grant_id}"
    await ana.open(path)
    answer = await ana.send(f"{path}/revoke")
    assert (answer.status_code, "there is no approval to revoke" in text_of(answer)) == (409, True)
    assert await state_of(office, path) is GrantState.PENDING
