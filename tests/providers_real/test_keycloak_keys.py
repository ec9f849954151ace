"""Keycloak changes its signing keys: open sessions, new sign-ins, and a waiting machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from providers_real.company import Company, platform
from support.keycloak import Keycloak
from support.site import CONFIG, booting


@pytest.fixture(scope="module")
def shared(keycloak_server: Keycloak, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with platform(tmp_path_factory.mktemp("keys"), keycloak_server.realm()) as made:
        yield made


@pytest.fixture
def there(shared: Company) -> Company:
    return shared.with_new_browser()


def test_after_a_change_of_keys_sessions_continue_and_new_sign_ins_work_at_once(there: Company) -> None:
    first = there.sign_in("ana")
    first.get_by_role("heading", name="corp:ana").wait_for()
    there.realm.rotate_keys()
    first.reload()
    first.get_by_role("heading", name="corp:ana").wait_for()
    second = there.go_again_to_keycloak()
    second.get_by_role("heading", name="corp:ana").wait_for()


def test_a_waiting_machine_is_approved_with_a_sign_in_of_a_new_key(there: Company, tmp_path: Path) -> None:
    there.sign_in("ana").get_by_role("heading", name="corp:ana").wait_for()
    with booting(there.site.url, tmp_path) as machine:
        code = machine.code()
        there.realm.rotate_keys()
        page = there.go_again_to_keycloak(f"/d/{code}")
        page.get_by_label("Last four characters").fill(code[-4:])
        page.get_by_role("button", name="Approve").click()
        assert machine.delivered() == CONFIG


@pytest.mark.parametrize("algorithm", ["ES256", "PS256"])
def test_the_client_may_have_another_signature_than_rs256(there: Company, algorithm: str) -> None:
    there.realm.add_key(algorithm)
    there.realm.change_client("pages", attributes={"id.token.signed.response.alg": algorithm})
    there.sign_in("ana").get_by_role("heading", name="corp:ana").wait_for()


def test_an_id_token_signed_with_the_clients_secret_is_refused_and_named(there: Company) -> None:
    there.realm.change_client("pages", attributes={"id.token.signed.response.alg": "HS256"})
    page = there.sign_in("ana")
    page.get_by_role("heading", name="Could not sign in with Corp SSO").wait_for()
    assert "HS256" in there.site.log
