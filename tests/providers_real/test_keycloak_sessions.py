"""Signing out at Keycloak, and people whom Keycloak does not sign in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from providers_real.company import Company, platform
from support.keycloak import Keycloak
from support.keycloak_pages import sign_in_at_keycloak


@pytest.fixture(scope="module")
def shared(keycloak_server: Keycloak, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with platform(tmp_path_factory.mktemp("sessions"), keycloak_server.realm()) as made:
        yield made


@pytest.fixture
def there(shared: Company) -> Company:
    return shared.with_new_browser()


def test_signing_out_ends_the_session_at_keycloak_and_comes_back(there: Company) -> None:
    page = there.sign_in("ana")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Signed out here").wait_for()
    page.get_by_role("link", name="Sign out at Corp SSO too").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert page.url == f"{there.site.url}/login"
    page = there.go_to_keycloak()
    sign_in_at_keycloak(page, "ana")
    page.get_by_role("heading", name="corp:ana").wait_for()


def test_without_signing_out_at_keycloak_no_password_is_needed_to_come_back(there: Company) -> None:
    page = there.sign_in("ana")
    page.get_by_role("main").get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Signed out here").wait_for()
    there.go_to_keycloak().get_by_role("heading", name="corp:ana").wait_for()


def test_keycloak_does_not_sign_in_a_disabled_person(there: Company) -> None:
    there.realm.add_user("cyd")
    there.realm.change_user("cyd", enabled=False)
    there.sign_in("cyd").get_by_text("Account is disabled, contact your administrator.").wait_for()
    assert "corp:cyd" not in there.operators()


def test_a_person_disabled_after_a_sign_in_cannot_come_back(there: Company) -> None:
    there.realm.add_user("dan", groups=["/platform"])
    there.sign_in("dan").get_by_role("heading", name="corp:dan").wait_for()
    there.realm.change_user("dan", enabled=False)
    page = there.go_again_to_keycloak()
    sign_in_at_keycloak(page, "dan")
    page.get_by_text("Account is disabled, contact your administrator.").wait_for()


def test_a_person_who_does_not_consent_is_not_signed_in(there: Company) -> None:
    there.realm.change_client("pages", consentRequired=True)
    page = there.sign_in("ben")
    page.get_by_role("button", name="No").click()
    page.get_by_role("heading", name="Could not sign in with Corp SSO").wait_for()
    assert "access_denied" in there.site.log
    assert "corp:ben" not in there.operators()
