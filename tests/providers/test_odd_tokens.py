"""Odd answers of a provider about the token of a machine: understood, or refused with what to change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from bootgrant.approval.claims import OutsideRule
from bootgrant.approval.policy import parse_selector
from bootgrant.ports.providers import ProviderUnavailable, ProviderWrong, TokenRefusal, Verified
from bootgrant.providers.settings import Check, TokenProvider
from bootgrant.providers.tokens import Verifier
from bootgrant.wire.secret import Secret
from support.answering_server import Asked, http
from support.fakes import FakeClock
from support.signing_provider import AUDIENCE, SigningProvider, signing_provider

pytestmark = pytest.mark.anyio
ALL = (parse_selector("*"),)
GROUPS = (OutsideRule((("groups", ("platform",)),), ALL),)
INTROSPECTION: dict[str, Any] = {"check": Check.INTROSPECTION, "client_ids": ("machines",), "client_id": "bootgrant"}
ACTIVE = {"active": True, "sub": "ana", "client_id": "machines", "exp": 4_000_000_000}


@pytest.fixture
def provider() -> Iterator[SigningProvider]:
    with signing_provider(FakeClock()) as running:
        yield running


def verifier(provider: SigningProvider, **changes: Any) -> Verifier:
    usual = TokenProvider("corp", provider.issuer, Check.JWT, GROUPS)
    return Verifier([replace(usual, **changes)], provider.clock)


def answering(provider: SigningProvider, path: str, answer: bytes) -> None:
    """Answer ``path`` with whole bytes."""
    usual = provider.answer

    def answer_of(asked: Asked) -> bytes:
        return answer if asked.target == path else usual(asked)

    provider.server.answer = answer_of


async def test_an_access_token_for_another_service_is_refused_where_id_tokens_are_accepted(
    provider: SigningProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    tokens = verifier(provider, id_token=True, client_ids=("machines",))
    assert await tokens.verify(provider.token(aud="https://payroll.example")) is TokenRefusal.AUDIENCE
    assert "its audience (aud) is 'https://payroll.example', not one of machines" in caplog.text
    assert await tokens.verify(provider.token(aud=None)) is TokenRefusal.AUDIENCE
    assert isinstance(await tokens.verify(provider.token(aud="machines")), Verified)
    tokens = verifier(provider, id_token=True, client_ids=("machines",), audiences=(AUDIENCE,))
    assert isinstance(await tokens.verify(provider.token()), Verified)
    assert await tokens.verify(provider.token(aud="machines")) is TokenRefusal.AUDIENCE


@pytest.mark.parametrize(
    "claims",
    [
        {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph.example/x"}}},
        {"hasgroups": True},
        {"groups:src1": "https://graph.example/x"},
    ],
)
async def test_a_token_whose_groups_were_left_out_is_refused_with_that_reason(
    provider: SigningProvider, caplog: pytest.LogCaptureFixture, claims: dict[str, Any]
) -> None:
    caplog.set_level("INFO")
    tokens = verifier(provider, audiences=(AUDIENCE,))
    assert await tokens.verify(provider.token(**claims)) is TokenRefusal.LEFT_OUT
    assert "left groups out of the token" in caplog.text
    assert "app roles" in caplog.text
    other = OutsideRule((("email", ("*@example.org",)),), ALL)
    tokens = verifier(provider, audiences=(AUDIENCE,), rules=(*GROUPS, other))
    assert isinstance(await tokens.verify(provider.token(**claims)), Verified)


async def test_claims_that_the_rules_need_and_no_token_has_are_named_in_the_log(
    provider: SigningProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    assert isinstance(await verifier(provider, audiences=(AUDIENCE,)).verify(provider.token()), Verified)
    assert "has no groups, which the rules need; it has aud, client_id, email" in caplog.text
    assert await verifier(provider, audiences=(AUDIENCE,)).verify(provider.token(sub=None)) is TokenRefusal.INVALID
    assert "a lightweight access token lacks it" in caplog.text


@pytest.mark.parametrize("subject", ["a\x00b", "\u202e", "", None, ["ana"]])
async def test_a_subject_that_cannot_be_stored_is_refused(provider: SigningProvider, subject: object) -> None:
    provider.answers = {**ACTIVE, "sub": subject}
    assert await verifier(provider, **INTROSPECTION).verify(Secret("opaque")) is TokenRefusal.INVALID


async def test_claims_under_ext_are_reached_by_the_rules(provider: SigningProvider) -> None:
    """Ory Hydra puts what its consent application adds under ``ext``."""
    provider.answers = {**ACTIVE, "ext": {"groups": ["platform"], "sub": "root", "email": "ana@example.org"}}
    nested = (OutsideRule((("ext.groups", ("platform",)),), ALL),)
    for rules in (GROUPS, nested):
        outcome = await verifier(provider, **INTROSPECTION, rules=rules).verify(Secret("opaque"))
        assert isinstance(outcome, Verified)
        assert rules[0].is_about(outcome.person)
        assert (outcome.person.subject, outcome.person.name) == ("ana", "ana@example.org")


async def test_what_says_whose_and_for_whom_a_token_is_never_comes_from_ext(provider: SigningProvider) -> None:
    tokens = verifier(provider, **INTROSPECTION)
    provider.answers = {"active": True, "sub": "ana", "ext": {"client_id": "machines"}}
    assert await tokens.verify(Secret("one")) is TokenRefusal.CLIENT
    provider.answers = {"active": True, "client_id": "machines", "ext": {"sub": "ana"}}
    assert await tokens.verify(Secret("two")) is TokenRefusal.INVALID
    provider.answers = {**ACTIVE, "groups": ["other"], "ext": {"groups": ["platform"]}}
    outcome = await tokens.verify(Secret("three"))
    assert isinstance(outcome, Verified)
    assert not GROUPS[0].is_about(outcome.person)


def signed(provider: SigningProvider, typ: str = "token-introspection+jwt", **claims: Any) -> bytes:
    usual = {"iss": provider.issuer, "aud": "bootgrant", "iat": 1, "token_introspection": ACTIVE} | claims
    head = {"alg": "RS256", "kid": "one", "typ": typ}
    token = jwt.encode(head, {name: value for name, value in usual.items() if value is not None}, provider.key)
    return http(200, token.encode(), Content_Type="application/token-introspection+jwt")


async def test_a_signed_introspection_is_read(provider: SigningProvider) -> None:
    answering(provider, "/introspect", signed(provider))
    outcome = await verifier(provider, **INTROSPECTION).verify(Secret("opaque"))
    assert isinstance(outcome, Verified)
    assert outcome.person.subject == "ana"


@pytest.mark.parametrize(
    ("typ", "claims", "words"),
    [
        ("at+jwt", {}, "has the typ 'at+jwt', not token-introspection+jwt"),
        ("", {}, "has the typ an empty text"),
        ("token-introspection+jwt", {"iss": "https://x"}, "is of the issuer 'https://x'"),
        ("token-introspection+jwt", {"aud": "other"}, "is for 'other', not for the client bootgrant"),
        ("token-introspection+jwt", {"token_introspection": None}, "has no token_introspection: it is null"),
        ("token-introspection+jwt", {"token_introspection": [1]}, "has no token_introspection: it is a list"),
    ],
)
async def test_a_signed_introspection_for_another_purpose_is_refused(
    provider: SigningProvider, typ: str, claims: dict[str, Any], words: str
) -> None:
    answering(provider, "/introspect", signed(provider, typ, **claims))
    with pytest.raises(ProviderWrong) as caught:
        await verifier(provider, **INTROSPECTION).verify(Secret("opaque"))
    assert words in str(caught.value)


async def test_a_signed_introspection_of_another_key_is_refused(provider: SigningProvider) -> None:
    right, provider.key = provider.key, RSAKey.generate_key(2048, {"kid": "one"})
    answer, provider.key = signed(provider), right
    answering(provider, "/introspect", answer)
    with pytest.raises(ProviderWrong, match="the signature is refused"):
        await verifier(provider, **INTROSPECTION).verify(Secret("opaque"))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            http(401, b'{"error": "invalid_client"}'),
            "(status 401: invalid_client); check client_id and client_secret_file",
        ),
        (http(403), "allow the client of client_id to introspect"),
        (http(404, b"404 page not found"), "Hydra for one, have it on another port"),
        (http(405), "check introspection_url in [[providers]]"),
        (http(200, b"<html>", Content_Type="text/html"), "a web page (text/html), not a JSON object"),
        (http(200, b"[]"), "with a list in JSON"),
        (http(200, b"a.b.c.d.e"), "is encrypted: turn that off"),
        (
            http(307, Location="https://elsewhere.example/?token=opaque"),
            "redirects to https://elsewhere.example/ (status",
        ),
        (http(204), "answers status 204"),
    ],
)
async def test_an_introspection_that_says_nothing_about_the_token_is_a_wrong_setting(
    provider: SigningProvider, answer: bytes, words: str
) -> None:
    answering(provider, "/introspect", answer)
    with pytest.raises(ProviderWrong) as caught:
        await verifier(provider, **INTROSPECTION).verify(Secret("opaque"))
    assert words in str(caught.value)
    assert caught.value.reason == "provider misconfigured: see log"
    assert len(caught.value.reason) <= 32
    assert "opaque" not in str(caught.value)


@pytest.mark.parametrize("active", [1, "true", None, [True]])
async def test_a_token_is_active_only_if_the_answer_says_true(
    provider: SigningProvider, caplog: pytest.LogCaptureFixture, active: object
) -> None:
    caplog.set_level("INFO")
    provider.answers = {**ACTIVE, "active": active}
    assert await verifier(provider, **INTROSPECTION).verify(Secret("opaque")) is TokenRefusal.UNKNOWN
    assert "not true)" in caplog.text


USERINFO = {"check": Check.USERINFO}


async def test_signed_userinfo_names_the_person(provider: SigningProvider) -> None:
    token = jwt.encode({"alg": "RS256", "kid": "one"}, {"sub": "ana", "groups": ["platform"]}, provider.key)
    answering(provider, "/userinfo", http(200, token.encode(), Content_Type="application/jwt"))
    outcome = await verifier(provider, **USERINFO).verify(Secret("opaque"))
    assert isinstance(outcome, Verified)
    assert GROUPS[0].is_about(outcome.person)


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (http(401), TokenRefusal.UNKNOWN),
        (http(403), TokenRefusal.SCOPE),
        (http(401, WWW_Authenticate='Bearer error="insufficient_scope", scope="openid"'), TokenRefusal.SCOPE),
    ],
)
async def test_userinfo_that_refuses_a_token_says_why(
    provider: SigningProvider, caplog: pytest.LogCaptureFixture, answer: bytes, refusal: TokenRefusal
) -> None:
    caplog.set_level("INFO")
    answering(provider, "/userinfo", answer)
    assert await verifier(provider, **USERINFO).verify(Secret("opaque")) is refusal
    assert "the scope openid must be granted" in caplog.text


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http(404), "answers status 404"),
        (http(200, b"<html>"), "a web page"),
        (http(200, b"a.b.c.d.e"), "userinfo is encrypted"),
        (
            http(200, jwt.encode({"alg": "HS256"}, {"sub": "ana"}, OctKey.import_key("s" * 40)).encode()),
            "userinfo_signed_response_alg",
        ),
        (http(302, Location="/login"), "redirects to /login"),
    ],
)
async def test_userinfo_that_cannot_be_read_is_a_wrong_setting(
    provider: SigningProvider, answer: bytes, words: str
) -> None:
    answering(provider, "/userinfo", answer)
    with pytest.raises(ProviderWrong) as caught:
        await verifier(provider, **USERINFO).verify(Secret("opaque"))
    assert words in str(caught.value)


async def test_a_provider_that_is_down_is_not_a_wrong_setting(provider: SigningProvider) -> None:
    answering(provider, "/userinfo", http(503, b"<html>"))
    tokens = verifier(provider, **USERINFO)
    for _ in range(3):
        with pytest.raises(ProviderUnavailable) as caught:
            await tokens.verify(Secret("opaque"))
        assert not isinstance(caught.value, ProviderWrong)
    with pytest.raises(ProviderUnavailable, match="3 times in a row, last with status 503"):
        await tokens.verify(Secret("opaque"))


@pytest.mark.parametrize(
    ("issuer", "words"),
    [
        ("https://sts.windows.net/t/", "set requestedAccessTokenVersion to 2"),
        ("{issuer}/", "its issuer is '{issuer}/', and the issuers in [[providers]] are ['{issuer}']"),
        (7, "its issuer is a number"),
        (None, 'it names no issuer, and no provider in [[providers]] has check = "introspection"'),
    ],
)
async def test_a_token_of_an_issuer_that_is_not_configured_is_named_in_the_log(
    provider: SigningProvider, caplog: pytest.LogCaptureFixture, issuer: object, words: str
) -> None:
    caplog.set_level("INFO")
    named = issuer.format(issuer=provider.issuer) if isinstance(issuer, str) else issuer
    tokens = verifier(provider, audiences=(AUDIENCE,))
    assert await tokens.verify(provider.token(iss=named)) is TokenRefusal.UNKNOWN
    assert words.format(issuer=provider.issuer) in caplog.text
    assert provider.server.asked == []
