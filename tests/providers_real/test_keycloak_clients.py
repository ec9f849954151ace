"""The client for people at Keycloak: confidential, public, with PKCE required, and wrongly set up."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers_real.company import SECRET, platform
from support.keycloak import Realm

PKCE = {"pkce.code.challenge.method": "S256"}


@pytest.mark.parametrize("secret", [SECRET, None], ids=["confidential", "public"])
def test_a_client_that_requires_pkce_signs_people_in(realm: Realm, tmp_path: Path, secret: str | None) -> None:
    with platform(tmp_path, realm, secret=secret, attributes=PKCE) as there:
        there.sign_in("ana").get_by_role("heading", name="corp:ana").wait_for()


def test_a_wrong_client_secret_is_on_the_page_and_in_the_log(realm: Realm, tmp_path: Path) -> None:
    with platform(tmp_path, realm) as there:
        realm.change_client("pages", secret="another")
        page = there.sign_in("ana")
        page.get_by_role("heading", name="Could not sign in with Corp SSO").wait_for()
        assert "unauthorized_client" in there.site.log
        assert SECRET not in there.site.log


def test_a_scope_that_keycloak_does_not_have_is_refused_by_it(realm: Realm, tmp_path: Path) -> None:
    with platform(tmp_path, realm, oidc='scopes = ["openid", "groups"]') as there:
        page = there.go_to_keycloak()
        page.get_by_role("heading", name="Could not sign in with Corp SSO").wait_for()
        assert "invalid_scope" in there.site.log


def test_keycloak_refuses_another_redirect_uri_on_its_own_page(realm: Realm, tmp_path: Path) -> None:
    with platform(tmp_path, realm) as there:
        realm.change_client("pages", redirectUris=["http://localhost:1/login/oidc/corp/callback"])
        page = there.go_to_keycloak()
        page.get_by_text("Invalid parameter: redirect_uri").wait_for()
