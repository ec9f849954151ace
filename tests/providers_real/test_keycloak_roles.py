"""People sign in through Keycloak: the role here comes from a group, a realm role, or a client role there.

One site has a provider for each way in which an administrator may set up the client; each has a person of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from providers_real.company import ADMINS, Company, provider_settings, running
from support.keycloak import Keycloak, Realm
from support.site import free_port

BY_FULL_PATH = '[[oidc.roles]]\ngroup = "/platform"\nrole = "admin"\n'
BY_REALM_ROLE = '[[oidc.roles]]\nclaim = "realm_access.roles"\nvalue = "boot-approver"\nrole = "approver"\n'
BY_CLIENT_ROLE = '[[oidc.roles]]\nclaim = "resource_access.by-client-role.roles"\nvalue = "boot"\nrole = "approver"\n'
PROVIDERS = {
    "short-groups": ADMINS,
    "full-paths": BY_FULL_PATH,
    "full-paths-unlike-the-rule": ADMINS,
    "without-groups": ADMINS,
    "by-realm-role": BY_REALM_ROLE,
    "without-realm-roles": BY_REALM_ROLE,
    "by-client-role": BY_CLIENT_ROLE,
    "userinfo-only": ADMINS,
    "leaving": ADMINS,
    "last-group": ADMINS,
}


@pytest.fixture(scope="module")
def shared(keycloak_server: Keycloak, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    realm, port, folder = keycloak_server.realm(), free_port(), tmp_path_factory.mktemp("roles")
    realm.add_group("/platform")
    realm.add_group("/guests")
    realm.add_role("boot-approver")
    for name in PROVIDERS:
        realm.add_user(name, groups=["/platform"], roles=["boot-approver"])
        realm.add_pages(f"http://localhost:{port}", name, client=name, secret="s3cret")
    set_up(realm)
    settings = [
        provider_settings(folder, realm, name=name, label=name, client=name, secret="s3cret", roles=roles)
        for name, roles in PROVIDERS.items()
    ]
    with running(folder, realm, port, "\n".join(settings)) as made:
        yield made


def set_up(realm: Realm) -> None:
    """Add the mappers of each client."""
    for client in ("short-groups", "leaving", "last-group"):
        realm.map_groups(client, full_path=False)
    for client in ("full-paths", "full-paths-unlike-the-rule"):
        realm.map_groups(client, full_path=True)
    in_userinfo = {"claim.name": "groups", "full.path": "false", "userinfo.token.claim": "true"}
    realm.add_mapper("userinfo-only", "oidc-group-membership-mapper", **in_userinfo)
    realm.map_realm_roles("by-realm-role")
    realm.add_role("boot", "by-client-role")
    realm.give_role("by-client-role", "boot", "by-client-role")
    realm.map_client_roles("by-client-role")


@pytest.fixture
def there(shared: Company) -> Company:
    return shared.with_new_browser()


def is_signed_in(page: Page, name: str, role: str) -> None:
    page.get_by_role("heading", name=f"{name}:{name}").wait_for()
    assert page.get_by_role("main").get_by_text(role, exact=True).first.is_visible()


def is_refused(there: Company, page: Page, name: str) -> None:
    """Nobody is signed in, and nobody was added."""
    page.get_by_role("heading", name=f"Could not sign in with {name}").wait_for()
    assert f"{name}:" not in there.operators()
    page.goto(f"{there.site.url}/account")
    page.get_by_role("link", name=f"Sign in with {name}", exact=True).wait_for()


@pytest.mark.parametrize("way", ["short-groups", "full-paths", "userinfo-only"])
def test_a_group_gives_a_role_to_who_is_in_it(there: Company, way: str) -> None:
    is_signed_in(there.sign_in(way, label=way), way, "admin")


@pytest.mark.parametrize("way", ["full-paths-unlike-the-rule", "without-groups"])
def test_a_group_that_does_not_come_as_in_the_rule_gives_no_role(there: Company, way: str) -> None:
    is_refused(there, there.sign_in(way, label=way), way)


@pytest.mark.parametrize("way", ["by-realm-role", "by-client-role"])
def test_a_role_of_the_realm_or_client_gives_a_role_when_it_is_added_to_the_id_token(there: Company, way: str) -> None:
    is_signed_in(there.sign_in(way, label=way), way, "approver")


def test_realm_roles_are_neither_in_the_id_token_nor_in_userinfo_by_default(there: Company) -> None:
    is_refused(there, there.sign_in("without-realm-roles", label="without-realm-roles"), "without-realm-roles")


def test_a_person_who_left_the_group_loses_role_and_sessions_at_the_next_sign_in(there: Company) -> None:
    first = there.sign_in("leaving", label="leaving")
    is_signed_in(first, "leaving", "admin")
    other = there.with_new_browser()
    there.realm.join("leaving", "/guests")
    there.realm.leave("leaving", "/platform")
    page = other.sign_in("leaving", label="leaving")
    page.get_by_role("heading", name="Could not sign in with leaving").wait_for()
    [row] = [line.split() for line in there.operators().splitlines() if line.startswith("leaving:")]
    assert row[:2] == ["leaving:leaving", "viewer"]
    first.reload()
    first.get_by_role("link", name="Sign in with leaving").wait_for()


def test_a_person_who_left_every_group_is_refused_and_keeps_the_role(there: Company) -> None:
    """Keycloak then sends no groups at all: docs/providers/keycloak.md has a mapper that makes them come always."""
    first = there.sign_in("last-group", label="last-group")
    is_signed_in(first, "last-group", "admin")
    other = there.with_new_browser()
    there.realm.leave("last-group", "/platform")
    page = other.sign_in("last-group", label="last-group")
    page.get_by_text("did not send what decides about your role").wait_for()
    page.get_by_text("leaves it out for a person without groups").wait_for()
    first.reload()
    is_signed_in(first, "last-group", "admin")
