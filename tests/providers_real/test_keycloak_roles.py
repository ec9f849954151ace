"""People sign in through Keycloak: the role here comes from a group, a realm role, or a client role there."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers_real.company import company
from support.keycloak import Realm

BY_REALM_ROLE = '[[oidc.roles]]\nclaim = "realm_access.roles"\nvalue = "boot-approver"\nrole = "approver"\n'
BY_CLIENT_ROLE = '[[oidc.roles]]\nclaim = "resource_access.pages.roles"\nvalue = "approver"\nrole = "approver"\n'
BY_FULL_PATH = '[[oidc.roles]]\ngroup = "/platform"\nrole = "admin"\n'


@pytest.fixture
def platform(realm: Realm) -> Realm:
    """A realm in which ana is a member of the group ``/platform``, and the client does not say so yet."""
    realm.add_group("/platform")
    realm.add_user("ana", groups=["/platform"])
    return realm


def test_a_group_without_its_full_path_gives_a_role(platform: Realm, tmp_path: Path) -> None:
    with company(tmp_path, platform) as there:
        platform.map_groups("pages", full_path=False)
        page = there.sign_in("ana")
        page.get_by_role("heading", name="corp:ana").wait_for()
        assert "corp:ana" in there.operators()
        assert page.get_by_role("main").get_by_text("admin", exact=True).is_visible()
