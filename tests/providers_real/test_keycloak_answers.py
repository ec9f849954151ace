"""What docs/providers/keycloak.md says about Keycloak's answers, asked without a machine."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode

import httpx2
import pytest

from providers_real.keycloak_recipe import Corp, approve_without_scripts

pytestmark = pytest.mark.timeout(600)
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
NO_SECRET = "Invalid client or Invalid client credentials"


def ask_for_a_code(there: Corp, **form: str) -> httpx2.Response:
    url = f"{there.realm.issuer}/protocol/openid-connect/auth/device"
    return httpx2.post(url, data={"client_id": "machines", "scope": "openid"} | form, trust_env=False, timeout=30)


def poll(there: Corp, device_code: str, client: str = "machines") -> httpx2.Response:
    url = f"{there.realm.issuer}/protocol/openid-connect/token"
    form = {"client_id": client, "grant_type": DEVICE_CODE, "device_code": device_code}
    return httpx2.post(url, data=form, trust_env=False, timeout=30)


def test_a_switched_off_grant_and_a_wrong_secret_have_one_error_and_two_descriptions(strict: Corp) -> None:
    off = ask_for_a_code(strict, client_id="account-console")
    wrong = ask_for_a_code(strict, client_id="with-secret", client_secret="wrong")
    missing = ask_for_a_code(strict, client_id="with-secret")
    unknown = ask_for_a_code(strict, client_id="nobody")
    assert (off.status_code, off.json()["error"]) == (400, "unauthorized_client")
    assert "The flow is disabled for the client" in off.json()["error_description"]
    assert wrong.json() == missing.json() == {"error": "unauthorized_client", "error_description": NO_SECRET}
    assert (wrong.status_code, missing.status_code, unknown.status_code) == (401, 401, 401)
    assert unknown.json() == {"error": "invalid_client", "error_description": NO_SECRET}


def test_the_second_request_of_a_pair_gets_slow_down(there: Corp) -> None:
    code = ask_for_a_code(there).json()["device_code"]
    answers = [poll(there, code).json()["error"] for _ in range(2)]
    assert answers == ["authorization_pending", "slow_down"]
    assert poll(there, "unknown").json() == {"error": "invalid_grant", "error_description": "Device code not valid"}


def test_the_scope_groups_is_ignored_for_a_machine_and_refused_for_a_person(there: Corp) -> None:
    assert ask_for_a_code(there, scope="openid groups").status_code == 200
    question = {
        "client_id": "bootgrant",
        "response_type": "code",
        "redirect_uri": f"{there.url}/login/oidc/corp/callback",
        "scope": "openid groups",
        "code_challenge": "x" * 43,
        "code_challenge_method": "S256",
    }
    url = f"{there.realm.issuer}/protocol/openid-connect/auth"
    answer = httpx2.get(url, params=question, trust_env=False, timeout=30)
    assert "error=invalid_scope" in answer.headers["location"]


def token_for(there: Corp, client: str = "machines", **form: str) -> str:
    """An access token that ana approved."""
    codes = ask_for_a_code(there, client_id=client, **form).json()
    approve_without_scripts(codes["verification_uri_complete"])
    answer = poll(there, codes["device_code"], client)
    assert answer.is_success, answer.text
    token: str = answer.json()["access_token"]
    return token


def claims(token: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(urlsafe_b64decode(token.split(".")[1] + "=="))
    return found


def introspected(there: Corp, token: str) -> dict[str, object]:
    secret = (there.folder / "check.secret").read_text().strip()
    form = {"token": token, "client_id": "boot-check", "client_secret": secret}
    url = f"{there.realm.issuer}/protocol/openid-connect/token/introspect"
    found: dict[str, object] = httpx2.post(url, data=form, trust_env=False, timeout=60).raise_for_status().json()
    return found


def test_the_audience_comes_from_the_mapper_and_not_from_the_machine(there: Corp) -> None:
    found = claims(token_for(there, audience="https://elsewhere.example/"))
    audience, issued, expires = found["aud"], found["iat"], found["exp"]
    assert isinstance(audience, list)
    assert f"{there.url}/" in audience
    assert "https://elsewhere.example/" not in audience
    assert isinstance(issued, int)
    assert expires == issued + 4 * 3600
    assert found["groups"] == ["platform"]


def test_lightweight_tokens_say_little_and_introspection_says_it_all(strict: Corp) -> None:
    token = token_for(strict, "lightweight")
    assert {"aud", "sub", "groups"}.isdisjoint(claims(token))
    assert introspected(strict, token)["groups"] == ["platform"]


def test_introspection_and_userinfo_end_when_the_person_signs_out(there: Corp) -> None:
    token = token_for(there)
    assert introspected(there, token)["active"] is True
    there.realm.log_out("ana")
    assert introspected(there, token) == {"active": False}
    url = f"{there.realm.issuer}/protocol/openid-connect/userinfo"
    assert httpx2.get(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False).status_code == 401


def test_userinfo_needs_the_scope_openid(there: Corp) -> None:
    token = token_for(there, scope="profile")
    url = f"{there.realm.issuer}/protocol/openid-connect/userinfo"
    assert httpx2.get(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False).status_code == 403


def test_a_token_ends_with_the_longest_session_and_not_later(there: Corp) -> None:
    there.realm.change(ssoSessionMaxLifespan=600)
    try:
        found = claims(token_for(there))
    finally:
        there.realm.change(ssoSessionMaxLifespan=36000)
    issued, expires = found["iat"], found["exp"]
    assert isinstance(issued, int)
    assert isinstance(expires, int)
    assert expires - issued <= 600
