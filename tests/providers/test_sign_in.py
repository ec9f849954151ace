"""Sign-in at an OpenID provider: what is sent to it, and which of its answers are believed."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import OctKey, RSAKey

from bootgrant.approval.claims import RoleRule
from bootgrant.approval.operators import Role
from bootgrant.ports.providers import ProviderPerson, ProviderUnavailable, ProviderWrong, Request
from bootgrant.providers.settings import SignInProvider
from bootgrant.providers.sign_in import OidcProvider
from bootgrant.wire.secret import Secret
from support.crooked_provider import CrookedProvider, crooked_provider
from support.site import free_port

pytestmark = pytest.mark.anyio
REQUEST = Request(
    "https://boot.example/login/oidc/corp/callback",
    "s" * 43,
    "n" * 43,
    Secret("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
)
RULES = (RoleRule("groups", "fra", Role.APPROVER),)


@pytest.fixture
def crooked() -> Iterator[CrookedProvider]:
    with crooked_provider() as provider:
        provider.nonce = REQUEST.nonce
        yield provider


def client_of(crooked: CrookedProvider, **changes: Any) -> OidcProvider:
    usual = SignInProvider("corp", "Corp SSO", crooked.issuer, "pages", Secret("s&+ t"), ("openid", "groups"), RULES)
    return OidcProvider(replace(usual, **changes), crooked.clock)


async def person(crooked: CrookedProvider, issuer: str = "") -> ProviderPerson:
    return await client_of(crooked).person(REQUEST, "the code", issuer)


async def refusal(crooked: CrookedProvider, issuer: str = "") -> str:
    with pytest.raises(ProviderWrong) as failure:
        await person(crooked, issuer)
    return str(failure.value)


def query_of(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def test_the_browser_is_sent_with_state_nonce_and_pkce(crooked: CrookedProvider) -> None:
    url = await client_of(crooked).ask(REQUEST)
    assert url.startswith(f"{crooked.issuer}/auth?")
    assert query_of(url) == {
        "response_type": "code",
        "client_id": "pages",
        "scope": "openid groups",
        "state": REQUEST.state,
        "nonce": REQUEST.nonce,
        "redirect_uri": REQUEST.redirect_uri,
        "code_challenge_method": "S256",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    }


async def test_a_query_in_the_authorization_endpoint_is_kept(crooked: CrookedProvider) -> None:
    crooked.metadata = {"authorization_endpoint": f"{crooked.issuer}/auth?tenant=fra"}
    query = query_of(await client_of(crooked).ask(REQUEST))
    assert (query["tenant"], query["state"]) == ("fra", REQUEST.state)


async def test_a_second_proof_asks_for_a_new_login(crooked: CrookedProvider) -> None:
    query = query_of(await client_of(crooked).ask(replace(REQUEST, again=True)))
    assert (query["prompt"], query["max_age"]) == ("login", "0")


async def test_the_person_comes_from_the_id_token_and_missing_groups_from_userinfo(crooked: CrookedProvider) -> None:
    crooked.claims = {"auth_time": 1_800_000_000}
    found = await person(crooked)
    assert (found.issuer, found.subject, found.authenticated_at) == (crooked.issuer, "8f1", 1_800_000_000.0)
    assert found.claims["groups"] == ["fra"]
    assert crooked.forms[0]["code_verifier"] == REQUEST.verifier.reveal()


async def test_userinfo_is_not_asked_when_the_id_token_has_every_claim(crooked: CrookedProvider) -> None:
    crooked.claims = {"groups": ["fra"]}
    await person(crooked)
    assert "/me" not in crooked.requests


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
    await client_of(crooked, secret=None).person(REQUEST, "the code", "")
    assert (crooked.forms[0]["client_id"], crooked.authorizations) == ("pages", [""])


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"iss": "https://evil.example"},
        {"aud": "another client"},
        {"aud": ["pages", "other"], "azp": "other"},
        {"aud": ["pages", "other"]},
        {"azp": "other"},
        {"azp": ["pages"]},
        {"aud": [["pages"], {}]},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"nbf": 4_000_000_000},
        {"iat": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 256},
    ],
)
async def test_a_token_for_another_purpose_is_refused(crooked: CrookedProvider, claims: dict[str, Any]) -> None:
    crooked.claims = claims
    assert "ID token" in await refusal(crooked)


async def test_a_token_for_several_clients_is_accepted_if_it_was_issued_to_ours(crooked: CrookedProvider) -> None:
    crooked.claims = {"aud": ["pages", "other"], "azp": "pages"}
    assert (await person(crooked)).subject == "8f1"


async def test_an_access_token_in_place_of_the_id_token_is_refused(crooked: CrookedProvider) -> None:
    crooked.header = {"typ": "at+jwt"}
    assert "has the typ 'at+jwt'" in await refusal(crooked)


async def test_a_token_of_another_key_is_refused(crooked: CrookedProvider) -> None:
    crooked.signing = RSAKey.generate_key(2048, {"kid": "one"})
    assert "the ID token is refused: it is damaged, or not signed" in await refusal(crooked)


async def test_a_token_signed_with_the_client_secret_is_refused(crooked: CrookedProvider) -> None:
    shared = "a secret that our settings contain too"
    crooked.algorithm, crooked.signing = "HS256", OctKey.import_key(shared)
    with pytest.raises(ProviderWrong, match="its algorithm 'HS256' is not one of RS256"):
        await client_of(crooked, secret=Secret(shared)).person(REQUEST, "the code", "")


async def test_an_id_token_larger_than_a_machine_may_bring_is_accepted(crooked: CrookedProvider) -> None:
    crooked.claims = {"groups": ["fra", *(f"group-{number}" for number in range(2000))]}
    assert (await person(crooked)).subject == "8f1"


async def test_unusable_keys_do_not_spoil_the_others(crooked: CrookedProvider) -> None:
    crooked.more_keys = [{"kty": "RSA", "kid": "broken"}, {"kty": "unheard-of"}, {"kty": "oct", "k": "AAAA"}]
    assert (await person(crooked)).subject == "8f1"


async def test_a_new_key_is_fetched_at_once(crooked: CrookedProvider) -> None:
    provider = client_of(crooked)
    await provider.person(REQUEST, "the code", "")
    crooked.key = RSAKey.generate_key(2048, {"kid": "two"})
    crooked.clock.advance(1)
    for _ in range(2):
        assert (await provider.person(REQUEST, "the code", "")).subject == "8f1"
    assert crooked.requests.count("/keys") == 2


async def test_an_answer_of_another_issuer_is_refused_before_the_code_is_used(crooked: CrookedProvider) -> None:
    assert "names the issuer 'https://evil.example'" in await refusal(crooked, issuer="https://evil.example")
    crooked.metadata = {"authorization_response_iss_parameter_supported": True}
    assert "has no iss, and the metadata promises one" in await refusal(crooked)
    assert crooked.forms == []


async def test_metadata_of_another_issuer_is_refused_and_named(crooked: CrookedProvider) -> None:
    crooked.metadata = {"issuer": "https://other.example"}
    assert "'https://other.example'; if that is right, set issuer" in await refusal(crooked)


@pytest.mark.parametrize("missing", ["token_endpoint", "jwks_uri"])
async def test_a_provider_without_an_endpoint_is_refused(crooked: CrookedProvider, missing: str) -> None:
    crooked.metadata = {missing: None}
    assert f"its metadata has no https {missing}; check the issuer in [[oidc]]" in await refusal(crooked)


async def test_a_code_over_plain_http_to_another_host_is_not_sent(crooked: CrookedProvider) -> None:
    crooked.metadata = {"token_endpoint": "http://idp.example/token"}
    assert "no https token_endpoint" in await refusal(crooked)


async def test_a_refused_code_is_reported_with_its_error(crooked: CrookedProvider) -> None:
    crooked.token_status = 400
    assert "the token endpoint refuses the code: 'invalid_grant'" in await refusal(crooked)


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (500, b"{}", "status 500"),
        (503, b"<html>", "status 503"),
        (408, b"{}", "status 408"),
        (429, b"{}", "status 429"),
    ],
)
async def test_an_answer_that_says_nothing_about_the_code_is_an_unavailable_provider(
    crooked: CrookedProvider, status: int, answer: bytes, reason: str
) -> None:
    crooked.token_status, crooked.token_answer = status, answer
    with pytest.raises(ProviderUnavailable, match=reason) as failure:
        await person(crooked)
    assert not isinstance(failure.value, ProviderWrong)


async def test_userinfo_of_another_person_is_refused(crooked: CrookedProvider) -> None:
    crooked.userinfo = {"sub": "another", "groups": ["boot-admins"]}
    assert "describes another person" in await refusal(crooked)


async def test_userinfo_does_not_overrule_the_id_token(crooked: CrookedProvider) -> None:
    crooked.claims = {"email": "ana@example.org"}
    crooked.userinfo = {"sub": "8f1", "email": "root@example.org", "groups": []}
    assert (await person(crooked)).claims["email"] == "ana@example.org"


async def test_sign_out_names_the_session_and_the_way_back(crooked: CrookedProvider) -> None:
    url = await client_of(crooked).sign_out_url(Secret("the token"), "https://boot.example/login")
    assert url is not None
    assert query_of(url) == {
        "kind": "rp",
        "id_token_hint": "the token",
        "client_id": "pages",
        "post_logout_redirect_uri": "https://boot.example/login",
    }
    crooked.metadata = {"end_session_endpoint": None}
    assert await client_of(crooked).sign_out_url(None, "https://boot.example/login") is None


async def test_an_address_where_nothing_listens_is_an_unavailable_provider() -> None:
    nowhere = CrookedProvider(issuer=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(ProviderUnavailable, match="ConnectError"):
        await client_of(nowhere).ask(REQUEST)


async def test_a_provider_that_fails_repeatedly_gets_no_requests_for_a_while(crooked: CrookedProvider) -> None:
    crooked.is_down = True
    provider = client_of(crooked)
    for pause in (0, 3, 3, 3, 3):
        crooked.clock.advance(pause)
        with pytest.raises(ProviderUnavailable):
            await provider.ask(REQUEST)
    assert len(crooked.requests) == 3
    crooked.is_down = False
    crooked.clock.advance(11)
    assert (await provider.person(REQUEST, "the code", "")).subject == "8f1"


async def test_nobody_is_sent_to_a_provider_that_has_been_down_for_longer_than_its_metadata_is_kept(
    crooked: CrookedProvider,
) -> None:
    provider = client_of(crooked)
    await provider.ask(REQUEST)
    crooked.is_down = True
    crooked.clock.advance(601)
    with pytest.raises(ProviderUnavailable):
        await provider.ask(REQUEST)
