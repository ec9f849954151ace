"""What is asked of an OpenID provider, and what of its answers is believed."""

from __future__ import annotations

import time
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import OctKey, RSAKey

from bootgrant.approval.claims import RoleRule
from bootgrant.approval.operators import Role
from bootgrant.ports.providers import ProviderDown, ProviderPerson, ProviderSettings, ProviderWrong, Request
from bootgrant.providers.sign_in import OidcProvider
from bootgrant.wire.secret import Secret
from support.crooked_provider import CrookedProvider, crooked_provider
from support.site import free_port

pytestmark = pytest.mark.anyio
REQUEST = Request("https://boot.example/login/oidc/corp/callback", "s" * 43, "n" * 43, Secret("v" * 43))
RULES = (RoleRule("groups", "fra", Role.APPROVER),)


@pytest.fixture
def crooked() -> Iterator[CrookedProvider]:
    with crooked_provider() as provider:
        provider.nonce = REQUEST.nonce
        yield provider


def settings(crooked: CrookedProvider, **changes: Any) -> ProviderSettings:
    known = ProviderSettings("corp", "Corp SSO", crooked.issuer, "pages", Secret("s&+ t"), ("openid", "groups"), RULES)
    return replace(known, **changes)


def asked_by(crooked: CrookedProvider, **changes: Any) -> OidcProvider:
    return OidcProvider(settings(crooked, **changes), time.time, time.monotonic)


async def person(crooked: CrookedProvider, issuer: str = "") -> ProviderPerson:
    return await asked_by(crooked).person(REQUEST, "the code", issuer)


async def refusal(crooked: CrookedProvider, issuer: str = "") -> str:
    with pytest.raises(ProviderWrong) as failure:
        await person(crooked, issuer)
    return str(failure.value)


async def test_the_browser_is_sent_with_state_nonce_and_pkce(crooked: CrookedProvider) -> None:
    url = urlsplit(await asked_by(crooked).ask(REQUEST))
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{crooked.issuer}/auth"
    assert asked["code_challenge_method"] == "S256"
    assert asked["code_challenge"] != REQUEST.verifier.reveal()
    told = {name: asked[name] for name in ("response_type", "client_id", "scope", "state", "nonce", "redirect_uri")}
    assert told == {
        "response_type": "code",
        "client_id": "pages",
        "scope": "openid groups",
        "state": REQUEST.state,
        "nonce": REQUEST.nonce,
        "redirect_uri": REQUEST.redirect_uri,
    }
    assert "prompt" not in asked


async def test_who_shows_once_more_who_they_are_is_asked_anew(crooked: CrookedProvider) -> None:
    asked = parse_qs(urlsplit(await asked_by(crooked).ask(replace(REQUEST, again=True))).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])


async def test_the_person_is_who_the_token_names_with_groups_from_userinfo(crooked: CrookedProvider) -> None:
    crooked.claims = {"auth_time": 1_800_000_000}
    found = await person(crooked)
    assert (found.issuer, found.subject, found.authenticated_at) == (crooked.issuer, "8f1", 1_800_000_000.0)
    assert found.claims["groups"] == ["fra"]
    assert crooked.forms[0]["code_verifier"] == REQUEST.verifier.reveal()


async def test_name_and_secret_are_encoded_in_the_basic_header(crooked: CrookedProvider) -> None:
    await person(crooked)
    scheme, _, pair = crooked.authorizations[0].partition(" ")
    assert (scheme, b64decode(pair)) == ("Basic", b"pages:s%26%2B+t")
    assert "client_secret" not in crooked.forms[0]


async def test_a_provider_that_wants_the_secret_in_the_form_gets_it_there(crooked: CrookedProvider) -> None:
    crooked.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    await person(crooked)
    assert (crooked.forms[0]["client_secret"], crooked.authorizations) == ("s&+ t", [""])


async def test_a_public_client_shows_no_secret(crooked: CrookedProvider) -> None:
    await asked_by(crooked, secret=None).person(REQUEST, "the code", "")
    assert (crooked.forms[0]["client_id"], crooked.authorizations) == ("pages", [""])


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"iss": "https://evil.example"},
        {"aud": "another client"},
        {"aud": ["pages", "other"], "azp": "other"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
    ],
)
async def test_a_token_for_another_purpose_is_refused(crooked: CrookedProvider, claims: dict[str, Any]) -> None:
    crooked.claims = claims
    assert "ID token" in await refusal(crooked)


async def test_a_token_of_another_key_is_refused(crooked: CrookedProvider) -> None:
    crooked.signing = RSAKey.generate_key(2048, {"kid": "one"})
    assert "the ID token is refused" in await refusal(crooked)


async def test_a_token_signed_with_the_secret_of_the_client_is_refused(crooked: CrookedProvider) -> None:
    shared = "a secret that stands in our settings too"
    crooked.algorithm, crooked.signing = "HS256", OctKey.import_key(shared)
    with pytest.raises(ProviderWrong, match="the ID token is refused"):
        await asked_by(crooked, secret=Secret(shared)).person(REQUEST, "the code", "")


async def test_new_keys_of_the_provider_are_looked_for_once(crooked: CrookedProvider) -> None:
    provider = asked_by(crooked)
    await provider.person(REQUEST, "the code", "")
    crooked.key = RSAKey.generate_key(2048, {"kid": "two"})
    assert (await provider.person(REQUEST, "the code", "")).subject == "8f1"


async def test_an_answer_of_another_issuer_is_refused_before_the_code_is_used(crooked: CrookedProvider) -> None:
    assert "of the issuer 'https://evil.example'" in await refusal(crooked, issuer="https://evil.example")
    crooked.metadata = {"authorization_response_iss_parameter_supported": True}
    assert "of the issuer ''" in await refusal(crooked)
    assert crooked.forms == []


async def test_a_provider_that_calls_itself_otherwise_is_refused_and_named(crooked: CrookedProvider) -> None:
    crooked.metadata = {"issuer": "https://other.example"}
    assert "'https://other.example': write that as the issuer" in await refusal(crooked)


@pytest.mark.parametrize("missing", ["token_endpoint", "jwks_uri"])
async def test_a_provider_without_an_endpoint_is_refused(crooked: CrookedProvider, missing: str) -> None:
    crooked.metadata = {missing: None}
    assert f"it names no {missing}" in await refusal(crooked)


async def test_a_code_that_is_refused_is_told_with_its_error(crooked: CrookedProvider) -> None:
    crooked.token_status = 400
    assert "the token endpoint refuses: invalid_grant" in await refusal(crooked)


async def test_userinfo_of_somebody_else_is_refused(crooked: CrookedProvider) -> None:
    crooked.userinfo = {"sub": "another", "groups": ["boot-admins"]}
    assert "tells of somebody else" in await refusal(crooked)


async def test_claims_of_the_token_are_not_overruled_by_userinfo(crooked: CrookedProvider) -> None:
    crooked.claims = {"email": "ana@example.org"}
    crooked.userinfo = {"sub": "8f1", "email": "root@example.org", "groups": []}
    assert (await person(crooked)).claims["email"] == "ana@example.org"


async def test_sign_out_there_names_the_session_and_the_way_back(crooked: CrookedProvider) -> None:
    url = await asked_by(crooked).sign_out_url(Secret("the token"), "https://boot.example/login")
    assert url is not None
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert asked == {
        "kind": "rp",
        "id_token_hint": "the token",
        "client_id": "pages",
        "post_logout_redirect_uri": "https://boot.example/login",
    }
    crooked.metadata = {"end_session_endpoint": None}
    assert await asked_by(crooked).sign_out_url(None, "https://boot.example/login") is None


async def test_nobody_at_the_address_is_a_provider_that_is_down() -> None:
    nowhere = CrookedProvider(issuer=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ProviderDown):
        await asked_by(nowhere).ask(REQUEST)
