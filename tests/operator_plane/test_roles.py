"""Every page, opened without a session and with every role, admits only those who have its permission."""

from __future__ import annotations

import re

import pytest

from bootgrant.approval.operators import Role
from bootgrant.operator_plane.app import PAGES
from bootgrant.operator_plane.permissions import LEAST_ROLE, Permission
from support.office import Office, Person, text_of

pytestmark = pytest.mark.anyio
REFUSED = "Your role does not allow this"


WITHOUT_SESSION = {Permission.PUBLIC, Permission.PROVIDER}


async def ask(person: Person, method: str, path: str) -> tuple[int, str, str]:
    """Return status, redirect target and text."""
    address = re.sub(r"\{[a-z_]+\}", "nothing", path)
    if method == "POST":
        await person.open("/device")
    page = await (person.send(address) if method == "POST" else person.open(address))
    return page.status_code, page.headers.get("location", ""), text_of(page)


@pytest.mark.parametrize(("method", "path", "permission"), [page[:3] for page in PAGES])
async def test_a_route_requires_its_permission_and_no_more(
    office: Office, method: str, path: str, permission: Permission
) -> None:
    status, target, _ = await ask(office.browser(), method, path)
    to_login = status == 303 and target.startswith("/login?")
    assert to_login == (permission not in WITHOUT_SESSION)
    for role in Role:
        person = await office.person(role.value, role)
        status, target, page = await ask(person, method, path)
        may = permission in WITHOUT_SESSION or role.is_at_least(LEAST_ROLE[permission])
        assert (status == 403 and REFUSED in page) != may, (role, status)
        assert not target.startswith("/login?"), role


def test_every_permission_but_public_has_a_least_role() -> None:
    assert set(LEAST_ROLE) == set(Permission) - WITHOUT_SESSION


async def test_a_viewer_can_see_a_request_but_not_decide(office: Office) -> None:
    office.configure()
    grant, _ = await office.machine()
    viewer = await office.person("vic", Role.VIEWER)
    assert (await viewer.open(f"/requests/{grant.grant_id}")).status_code == 200
    refused = await viewer.send(f"/requests/{grant.grant_id}/approve")
    assert refused.status_code == 403
    assert "This requires the role approver or higher" in text_of(refused)
    assert (await office.site.database.grants.find_grant(grant.grant_id)) == grant
