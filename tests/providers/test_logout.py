"""Logout tokens of a provider: which are believed, and which are refused with a reason."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey

from bootgrant.ports.providers import Logout, LogoutRefused, ProviderUnavailable
from bootgrant.providers.settings import SignInProvider
from bootgrant.providers.sign_in import OidcProvider
from bootgrant.wire.secret import Secret
from support.crooked_provider import CrookedProvider, crooked_provider

pytestmark = pytest.mark.anyio
EVENT = "http://schemas.openid.net/event/backchannel-logout"


@pytest.fixture
def crooked() -> Iterator[CrookedProvider]:
    with crooked_provider() as provider:
        yield provider


def client_of(crooked: CrookedProvider) -> OidcProvider:
    return OidcProvider(SignInProvider("corp", "Corp", crooked.issuer, "pages", None, ("openid",), ()), crooked.clock)


async def refusal(crooked: CrookedProvider, token: Secret) -> str:
    outcome = await client_of(crooked).logout(token)
    assert isinstance(outcome, LogoutRefused)
    return outcome.reason


@pytest.mark.parametrize("kind", ["logout+jwt", "application/logout+jwt", "Logout+JWT", "JWT", None])
async def test_a_logout_token_names_the_session_and_its_person(crooked: CrookedProvider, kind: str | None) -> None:
    now = crooked.clock.now()
    outcome = await client_of(crooked).logout(crooked.logout_token({"typ": kind}))
    assert outcome == Logout("8f1", "sid-1", "one", round(now), round(now) + 120)


@pytest.mark.parametrize(("gone", "subject", "session_id"), [("sid", "8f1", ""), ("sub", "", "sid-1")])
async def test_a_person_or_a_session_is_enough(
    crooked: CrookedProvider, gone: str, subject: str, session_id: str
) -> None:
    outcome = await client_of(crooked).logout(crooked.logout_token(**{gone: None}))
    assert isinstance(outcome, Logout)
    assert (outcome.subject, outcome.session_id) == (subject, session_id)


async def test_members_of_the_event_and_a_list_with_only_this_client_are_accepted(crooked: CrookedProvider) -> None:
    token = crooked.logout_token(events={EVENT: {"why": "left"}, "https://example.org/other": {}}, aud=["pages"])
    assert isinstance(await client_of(crooked).logout(token), Logout)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "another client"}, "aud is 'another client', which is not only the client pages"),
        ({"aud": ["pages", "other"]}, "aud is"),
        ({"aud": None}, "aud is"),
        ({"iss": "https://evil.example"}, "its issuer is 'https://evil.example'"),
        ({"iss": None}, "its issuer is "),
        ({"nonce": "n"}, "it has a nonce"),
        ({"nonce": ""}, "it has a nonce"),
        ({"events": None}, "this is not a logout token"),
        ({"events": [EVENT]}, "this is not a logout token"),
        ({"events": {"https://example.org/other": {}}}, "this is not a logout token"),
        ({"events": {EVENT: True}}, "this is not a logout token"),
        ({"events": {EVENT: []}}, "this is not a logout token"),
        ({"exp": 1}, "it expired"),
        ({"exp": None}, "exp is missing"),
        ({"exp": "soon"}, "exp is a text"),
        ({"iat": 4_000_000_000, "exp": 4_000_000_100}, "compare the clocks"),
        ({"iat": None}, "iat is missing"),
        ({"nbf": 4_000_000_000}, "compare the clocks"),
        ({"jti": None}, "jti is missing"),
        ({"jti": 7}, "jti is not a text"),
        ({"sub": None, "sid": None}, "neither sub nor sid"),
        ({"sub": ""}, "sub is not a text"),
        ({"sub": ["8f1"]}, "sub is not a text"),
        ({"sid": {"id": 1}}, "sid is not a text"),
        ({"sid": "s" * 1001}, "sid is not a text"),
    ],
)
async def test_a_token_that_is_not_a_right_logout_token_is_refused(
    crooked: CrookedProvider, claims: dict[str, Any], reason: str
) -> None:
    assert reason in await refusal(crooked, crooked.logout_token(**claims))


@pytest.mark.parametrize("kind", ["at+jwt", "secevent+jwt", "dpop+jwt"])
async def test_a_token_of_another_type_is_refused(crooked: CrookedProvider, kind: str) -> None:
    assert "not that of a logout token" in await refusal(crooked, crooked.logout_token({"typ": kind}))


async def test_an_id_token_is_not_a_logout_token(crooked: CrookedProvider) -> None:
    assert "this is not a logout token" in await refusal(crooked, Secret(crooked.id_token()))


async def test_a_token_without_a_signature_is_refused(crooked: CrookedProvider) -> None:
    _, claims, signature = crooked.logout_token().reveal().split(".")
    header = urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).rstrip(b"=").decode()
    for token in (f"{header}.{claims}.", f"{header}.{claims}.{signature}"):
        assert "its algorithm 'none'" in await refusal(crooked, Secret(token))


async def test_a_token_signed_with_the_client_s_secret_is_refused(crooked: CrookedProvider) -> None:
    crooked.signing, crooked.algorithm = OctKey.import_key("s" * 32), "HS256"
    assert "its algorithm 'HS256'" in await refusal(crooked, crooked.logout_token())


async def test_a_token_of_another_key_is_refused(crooked: CrookedProvider) -> None:
    crooked.signing = RSAKey.generate_key(2048)
    assert "not signed by a key of the provider" in await refusal(crooked, crooked.logout_token())


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "…", "{}", "e30.e30.", "A" * 200_000])
async def test_what_is_not_a_token_is_refused(crooked: CrookedProvider, text: str) -> None:
    assert "refused" in await refusal(crooked, Secret(text))


async def test_a_token_cannot_be_checked_while_the_provider_is_down(crooked: CrookedProvider) -> None:
    token, crooked.is_down = crooked.logout_token(), True
    with pytest.raises(ProviderUnavailable):
        await client_of(crooked).logout(token)
