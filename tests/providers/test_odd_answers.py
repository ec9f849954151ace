"""Odd answers of a provider to a sign-in: understood, or refused with what arrived and what to change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from bootgrant.approval.claims import RoleRule
from bootgrant.approval.operators import Role
from bootgrant.ports.providers import ProviderPerson, ProviderUnavailable, ProviderWrong, Request
from bootgrant.providers.settings import SignInProvider
from bootgrant.providers.sign_in import OidcProvider
from bootgrant.wire.secret import Secret
from support.crooked_provider import CrookedProvider, crooked_provider

pytestmark = pytest.mark.anyio
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CODE = "a-code-of-some-length"
REQUEST = Request("https://boot.example/login/oidc/corp/callback", "s" * 43, "n" * 43, Secret(VERIFIER))
GROUPS = (RoleRule("groups", "fra", Role.APPROVER),)
DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def crooked() -> Iterator[CrookedProvider]:
    with crooked_provider() as provider:
        provider.nonce = REQUEST.nonce
        yield provider


def client_of(crooked: CrookedProvider, **changes: Any) -> OidcProvider:
    usual = SignInProvider("corp", "Corp SSO", crooked.issuer, "pages", Secret("s" * 20), ("openid", "groups"), GROUPS)
    return OidcProvider(replace(usual, **changes), crooked.clock)


async def person(crooked: CrookedProvider, **changes: Any) -> ProviderPerson:
    return await client_of(crooked, **changes).person(REQUEST, CODE, "")


async def failure(crooked: CrookedProvider, **changes: Any) -> ProviderWrong:
    with pytest.raises(ProviderWrong) as caught:
        await person(crooked, **changes)
    return caught.value


async def refusal(crooked: CrookedProvider, **changes: Any) -> str:
    return str(await failure(crooked, **changes))


@pytest.mark.parametrize("kind", ["bearer", "BEARER", "BearerToken", "DPoP", "", 7, None, ["Bearer"]])
async def test_the_type_of_the_access_token_does_not_matter(crooked: CrookedProvider, kind: object) -> None:
    crooked.more_tokens = {"token_type": kind}
    assert (await person(crooked)).claims["groups"] == ["fra"]


async def test_json_with_another_content_type_is_read(crooked: CrookedProvider) -> None:
    crooked.instead["/token"] = PlainTextResponse(
        JSONResponse({"id_token": crooked.id_token(), "access_token": "at"}).body
    )
    assert (await person(crooked)).subject == "8f1"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (HTMLResponse("<!doctype html><title>x</title>"), "with a web page (text/html), not a JSON object"),
        (PlainTextResponse("hello"), "with text that is not JSON (text/plain)"),
        (JSONResponse(["x"]), "with a list in JSON"),
        (JSONResponse(None), "with null in JSON"),
        (PlainTextResponse("a" * 10 + ".b.c", media_type="application/jwt"), "with a signed token (application/jwt)"),
        (Response(), "with an empty body"),
        (Response("[" * 100_000), "not a JSON object"),
        (Response(" " * 600_000), "larger than 512 KiB"),
        (
            Response("access_token=at&scope=openid", media_type="application/x-www-form-urlencoded"),
            "with a form (access_token, scope; application/x-www-form-urlencoded)",
        ),
        (
            RedirectResponse("https://elsewhere.example/login?code=1"),
            "redirects to https://elsewhere.example/login (st",
        ),
        (Response(status_code=204), "answers status 204, not 200"),
    ],
)
async def test_an_answer_of_another_kind_says_what_arrived(
    crooked: CrookedProvider, answer: Response, words: str
) -> None:
    crooked.instead["/token"] = answer
    assert words in await refusal(crooked)


async def test_answers_that_cannot_be_used_do_not_stop_the_requests_of_others(crooked: CrookedProvider) -> None:
    provider = client_of(crooked)
    crooked.instead["/token"] = HTMLResponse("<html>")
    for _ in range(5):
        with pytest.raises(ProviderWrong, match="a web page"):
            await provider.person(REQUEST, CODE, "")
    crooked.instead.clear()
    assert (await provider.person(REQUEST, CODE, "")).subject == "8f1"


@pytest.mark.parametrize(
    ("id_token", "words"),
    [
        (None, "id_token is missing (it has access_token, token_type)"),
        ("", "id_token is an empty text"),
        (5, "id_token is a number"),
        (["x"], "id_token is a list"),
        ("x", "the ID token is refused: it is not a JWT"),
        ("a.b.c.d.e", "the ID token is refused: it is encrypted (JWE): turn encryption off for this client"),
        ("caf\xe9.b.c", "it is not a JWT"),
        ("\ud800.b.c", "it is not a JWT"),
    ],
)
async def test_a_missing_or_odd_id_token_is_refused_in_words(
    crooked: CrookedProvider, id_token: object, words: str
) -> None:
    crooked.more_tokens = {"id_token": id_token}
    assert words in await refusal(crooked)


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (400, {"error": "invalid_grant"}, "the code has expired, was used before"),
        (400, {"error": "invalid_grant", "error_description": "PKCE verification failed"}, "PKCE failed"),
        (400, {"error": "invalid_request", "error_description": "Missing code_verifier"}, "PKCE failed"),
        (401, {"error": "invalid_client"}, "compare client_id and client_secret_file"),
        (401, {"error": "unauthorized_client"}, "either the client's secret is wrong"),
        (400, {"error": "unauthorized_client"}, "Standard flow"),
        (401, {}, "compare client_id and client_secret_file"),
        (400, {"error": "invalid_scope"}, "compare scopes"),
        (400, {"error": "made_up"}, "see the provider's own log"),
        (400, {"error": {"code": 7}}, "see the provider's own log"),
        (404, {}, "check the token_endpoint"),
        (200, {"error": "bad_verification_code"}, "'bad_verification_code' (status 200)"),
    ],
)
async def test_each_refusal_of_the_token_endpoint_says_what_to_change(
    crooked: CrookedProvider, status: int, answer: dict[str, Any], words: str
) -> None:
    crooked.instead["/token"] = JSONResponse(answer, status)
    assert words in await refusal(crooked)


async def test_the_providers_own_words_are_kept_for_the_page_without_secrets(crooked: CrookedProvider) -> None:
    said = f"Code {CODE} is\x00 old\n\u202e and {VERIFIER} too" + " x" * 500
    crooked.instead["/token"] = JSONResponse({"error": "invalid_grant", "error_description": said}, 400)
    error = await failure(crooked)
    assert error.said.startswith("invalid_grant: Code … is old and … too x x")
    assert len(error.said) <= 300
    assert error.said.isprintable()
    assert CODE not in str(error)
    assert VERIFIER not in str(error)


async def test_the_words_of_a_bearer_challenge_are_read_too(crooked: CrookedProvider) -> None:
    challenge = {"www-authenticate": 'Basic realm="x", error="invalid_client", error_description="bad secret"'}
    crooked.instead["/token"] = Response(status_code=401, headers=challenge)
    assert (await failure(crooked)).said == "invalid_client: bad secret"


@pytest.mark.parametrize(
    ("methods", "secret", "words"),
    [
        (["private_key_jwt"], "a" * 20, "it takes private_key_jwt: allow client_secret_basic or client_secret_post"),
        (["client_secret_basic"], None, "allow a public client there, or set client_secret_file"),
        (["client_secret_post"], "a" * 20, "The secret was sent as client_secret_post"),
        ("odd", "a+b c" * 5, "some providers do not decode them"),
    ],
)
async def test_a_client_that_is_not_accepted_learns_how_it_authenticated(
    crooked: CrookedProvider, methods: object, secret: str | None, words: str
) -> None:
    crooked.metadata = {"token_endpoint_auth_methods_supported": methods}
    crooked.instead["/token"] = JSONResponse({"error": "invalid_client"}, 401)
    assert words in await refusal(crooked, secret=Secret(secret) if secret else None)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": "tomorrow"}, "exp is a text, not seconds since 1970"),
        ({"exp": 10**400}, "exp is a number beyond any time"),
        ({"iat": float("nan")}, "iat is a number beyond any time"),
        ({"nbf": True}, "nbf is true or false"),
        ({"exp": None}, "exp is missing"),
        ({"exp": 1}, "days ago (60 s are allowed); compare the clocks"),
        ({"nbf": 4_000_000_000}, "days (60 s are allowed); compare the clocks"),
        ({"nonce": None}, "has no nonce"),
        ({"aud": ["pages", "other"]}, "for aud ['pages', 'other'], not for the client pages"),
        ({"aud": {"a": 1}}, "for aud an object"),
        ({"azp": ["pages"]}, "azp ['pages']"),
        ({"sub": "a\x00b"}, "printable"),
        ({"sub": "\ud800"}, "printable"),
        ({"sub": 7}, "printable"),
        ({"iss": ["x"]}, "its issuer is ['x'], not 'http://127"),
    ],
)
async def test_a_refused_id_token_shows_what_arrived(
    crooked: CrookedProvider, claims: dict[str, Any], words: str
) -> None:
    crooked.claims = claims
    assert words in await refusal(crooked)


async def test_odd_values_next_to_the_subject_are_left_aside(crooked: CrookedProvider) -> None:
    crooked.claims = {"groups": ["fra"], "sid": {"a": 1}, "auth_time": "now", "name": "\ud800"}
    found = await person(crooked)
    assert (found.session_id, found.authenticated_at) == ("", None)
    crooked.claims = {"groups": ["fra"], "sid": "the session"}
    assert (await person(crooked)).session_id == "the session"


@pytest.mark.parametrize("kind", ["application/jwt", "text/plain", "application/json"])
async def test_signed_userinfo_is_read(crooked: CrookedProvider, kind: str) -> None:
    claims = {"sub": "8f1", "groups": ["fra"], "iss": crooked.issuer, "aud": ["pages"]}
    crooked.instead["/me"] = Response(crooked.sign(claims), media_type=kind)
    found = await person(crooked)
    assert found.claims["groups"] == ["fra"]
    assert found.left_out == {}


def forged(crooked: CrookedProvider, **claims: Any) -> str:
    key = RSAKey.generate_key(2048, {"kid": "one"})
    return jwt.encode({"alg": "RS256", "kid": "one"}, {"sub": "8f1", "groups": ["fra"], **claims}, key)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda c: Response(c.sign({"sub": "8f1", "groups": ["fra"], "aud": "other"})),
            "is for 'other', not for pages",
        ),
        (
            lambda c: Response(c.sign({"sub": "8f1", "groups": ["fra"], "iss": "https://x"})),
            "is of 'https://x', not of",
        ),
        (lambda c: Response(c.sign({"sub": "8f1", "groups": ["fra"], "exp": 1})), "it expired"),
        (lambda c: Response(forged(c)), "the signature is refused"),
        (
            lambda c: Response(jwt.encode({"alg": "HS256"}, {"sub": "8f1"}, OctKey.import_key("s" * 40))),
            "userinfo_signed_response_alg",
        ),
        (lambda c: Response("a.b.c.d.e", media_type="application/jwt"), "userinfo is encrypted: turn that off"),
        (lambda c: JSONResponse({"error": "insufficient_scope"}, 403), "(status 403: insufficient_scope)"),
        (lambda c: Response(status_code=401), "does not accept the access token (status 401"),
        (lambda c: Response(status_code=404), "answers status 404"),
        (lambda c: JSONResponse([]), "with a list in JSON"),
        (lambda c: HTMLResponse("<html>"), "a web page"),
        (lambda c: RedirectResponse("/login"), "redirects to /login"),
    ],
)
async def test_userinfo_that_cannot_be_read_leaves_a_claim_unknown(
    crooked: CrookedProvider, answer: Any, words: str
) -> None:
    crooked.instead["/me"] = answer(crooked)
    found = await person(crooked)
    assert words in found.left_out["groups"]
    assert "groups" not in found.claims
    assert found.left_out["groups"].isprintable()


async def test_userinfo_that_is_down_stops_only_people_whose_id_token_gives_no_role(crooked: CrookedProvider) -> None:
    crooked.instead["/me"] = Response(status_code=503)
    rules = (*GROUPS, RoleRule("email", "ana@example.org", Role.VIEWER))
    provider = client_of(crooked, rules=rules)
    for _ in range(4):
        with pytest.raises(ProviderUnavailable) as caught:
            await provider.person(REQUEST, CODE, "")
        assert not isinstance(caught.value, ProviderWrong)
    crooked.claims = {"email": "ana@example.org"}
    found = await provider.person(REQUEST, CODE, "")
    assert "status 503" in found.left_out["groups"]


@pytest.mark.parametrize("access_token", [None, 7, "", "a b", "caf\xe9", "a\nb"])
async def test_an_access_token_that_cannot_be_sent_leaves_a_claim_unknown(
    crooked: CrookedProvider, access_token: object
) -> None:
    crooked.more_tokens = {"access_token": access_token}
    assert "without an access token" in (await person(crooked)).left_out["groups"]
    assert "/me" not in crooked.requests


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"userinfo_endpoint": None}, "neither the ID token nor a userinfo endpoint"),
        ({"userinfo_endpoint": 7}, "a number"),
    ],
)
async def test_a_missing_userinfo_endpoint_leaves_a_claim_unknown(
    crooked: CrookedProvider, metadata: dict[str, Any], words: str
) -> None:
    crooked.metadata = metadata
    assert words in (await person(crooked)).left_out["groups"]


ENTRA = {"groups": "src1"}
SOURCE = {"src1": {"endpoint": "https://graph.example.net/users/1/getMemberObjects"}}


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        (
            {"_claim_names": ENTRA, "_claim_sources": SOURCE},
            "points to graph.example.net. Entra ID does so with more than 200",
        ),
        ({"_claim_names": ENTRA}, "app roles, or 'groups assigned to the application'"),
        ({"_claim_names": ENTRA, "_claim_sources": {"src1": {"JWT": "a.b.c"}}}, "as an aggregated claim"),
        ({"_claim_names": {"groups": 7}, "_claim_sources": []}, "left groups out of the token"),
        ({"_claim_names": ENTRA, "_claim_sources": {"src1": {"endpoint": "http://["}}}, "left groups out"),
        ({"hasgroups": True}, "(hasgroups). Entra ID"),
        ({"groups:src1": "https://graph.example.net"}, "(groups:src1). Entra ID"),
        ({"groups": [{"id": 1}]}, "as a list without texts"),
    ],
)
async def test_a_claim_that_the_provider_left_out_is_unknown_with_its_reason(
    crooked: CrookedProvider, claims: dict[str, Any], words: str
) -> None:
    crooked.claims = claims
    found = await person(crooked)
    assert words in found.left_out["groups"]
    assert "/me" not in crooked.requests


@pytest.mark.parametrize(
    "claims", [{"groups": []}, {"groups": ""}, {"groups": {"admin": {"1": "x"}}}, {"groups": ["x"]}]
)
async def test_a_claim_that_arrived_is_known_even_if_it_is_empty(
    crooked: CrookedProvider, claims: dict[str, Any]
) -> None:
    crooked.claims = claims
    assert (await person(crooked)).left_out == {}


async def test_a_claim_that_is_nowhere_is_unknown(crooked: CrookedProvider) -> None:
    crooked.userinfo = {"sub": "8f1"}
    assert "neither the ID token nor userinfo has groups" in (await person(crooked)).left_out["groups"]
    crooked.more_tokens = {"scope": "openid profile"}
    assert "did not grant the scope groups" in (await person(crooked)).left_out["groups"]


async def test_a_nested_claim_of_userinfo_is_added_to_those_of_the_id_token(crooked: CrookedProvider) -> None:
    crooked.claims = {"realm_access": {"other": 1}, "email": None}
    crooked.userinfo = {"sub": "8f1", "realm_access": {"roles": ["fra"]}, "auth_time": 5}
    found = await person(crooked, rules=(RoleRule("realm_access.roles", "fra", Role.APPROVER),))
    assert found.claims["realm_access.roles"] == ["fra"]
    assert (found.left_out, found.authenticated_at) == ({}, None)


@pytest.mark.parametrize(
    ("issuer", "words"),
    [
        ("{issuer}/", "they differ in the slash at the end"),
        ("https://127.0.0.1:{port}", "they differ in https and http"),
        ("http://127.0.0.1:1", "they differ in the port (1 and {port})"),
        ("http://idp.example:{port}", "they differ in the host"),
        ("{issuer}/realms/x", "they differ in the path"),
        ("HTTP://127.0.0.1:{port}", "upper and lower case"),
        ("http://[", "is not a URL"),
        ("corp", "is not a URL"),
        ("http://x:y", "is not a URL"),
        (None, "its metadata has no issuer"),
        (7, "the issuer in its metadata is a number"),
        ("", "is an empty text"),
        ("https://login.microsoftonline.com/{{tenantid}}/v2.0", "write the id of one tenant"),
    ],
)
async def test_another_issuer_is_shown_with_the_difference(
    crooked: CrookedProvider, issuer: object, words: str
) -> None:
    port = crooked.issuer.rpartition(":")[2]
    named = issuer.format(issuer=crooked.issuer, port=port) if isinstance(issuer, str) else issuer
    crooked.metadata = {"issuer": named}
    assert words.format(port=port) in await refusal(crooked)


async def test_a_template_in_the_setting_is_refused_before_anything_is_fetched(crooked: CrookedProvider) -> None:
    assert "write the id of one tenant" in await refusal(crooked, issuer=f"{crooked.issuer}/{{tenantid}}")
    assert crooked.requests == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Response(status_code=404), "answers status 404 with an empty body"),
        (HTMLResponse("<html>"), "answers status 200 with a web page"),
        (RedirectResponse("https://x.example/"), "redirects to https://x.example/"),
        (JSONResponse([1]), "with a list in JSON"),
        (Response(" " * 600_000), "larger than 512 KiB"),
        (Response("a.b.c"), "with a signed token"),
    ],
)
async def test_metadata_that_is_not_there_is_reported_with_what_is(
    crooked: CrookedProvider, answer: Response, words: str
) -> None:
    crooked.instead[DISCOVERY] = answer
    text = await refusal(crooked)
    assert words in text
    assert "check the issuer in [[oidc]]" in text


async def test_a_web_page_at_one_place_of_the_metadata_does_not_hide_the_other(crooked: CrookedProvider) -> None:
    crooked.instead[DISCOVERY] = HTMLResponse("<html>")
    metadata = {"issuer": crooked.issuer, "authorization_endpoint": f"{crooked.issuer}/auth"}
    crooked.instead["/.well-known/oauth-authorization-server"] = JSONResponse(metadata)
    assert (await client_of(crooked).ask(REQUEST)).startswith(f"{crooked.issuer}/auth?")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, "it is missing"),
        (7, "it is a number"),
        ("", "it is an empty text"),
        ("http://idp.example/auth", "it is 'http://idp.example/auth'"),
        ("/auth", "it is '/auth'"),
        ("https://idp.example/a b", "it is 'https://idp.example/a b', which has characters that do not belong there"),
        ("https://idp.example/\ud800", "it is 'https://idp.example/', which has characters that do not belong there"),
        ("https://idp.example/\r\nX: y", "it is 'https://idp.example/ X: y', which has characters"),
        ("https://idp.example/#x", "it is 'https://idp.example/#x', which has characters"),
        ("https://idp.example:port/", "it is 'https://idp.example:port/', which has no valid port"),
    ],
)
async def test_nobody_is_sent_to_an_address_that_cannot_be_right(
    crooked: CrookedProvider, url: object, words: str
) -> None:
    crooked.metadata = {"authorization_endpoint": url}
    with pytest.raises(ProviderWrong) as caught:
        await client_of(crooked).ask(REQUEST)
    assert f"its metadata has no https authorization_endpoint; check the issuer in [[oidc]]. There, {words}" in str(
        caught.value
    )


async def test_an_endpoint_that_was_wrong_is_read_again_at_the_next_sign_in(crooked: CrookedProvider) -> None:
    provider = client_of(crooked)
    crooked.metadata = {"token_endpoint": None}
    with pytest.raises(ProviderWrong):
        await provider.person(REQUEST, CODE, "")
    crooked.metadata = {}
    crooked.clock.advance(3)
    assert (await provider.person(REQUEST, CODE, "")).subject == "8f1"


async def test_a_password_in_an_address_is_not_repeated(crooked: CrookedProvider) -> None:
    address = "https://someone:pa55word@idp.example/x"
    crooked.metadata = {"token_endpoint": address}
    words = await refusal(crooked)
    assert "pa55word" not in words
    assert "https://…@idp.example/x" in words
    crooked.metadata = {}
    crooked.instead = {"/token": RedirectResponse(f"{address}#access_token=secret-of-another")}
    words = await refusal(crooked)
    assert "redirects to https://…@idp.example/x (status 307)" in words
    assert "secret-of-another" not in words


@pytest.mark.parametrize("typ", ["JWT", "jwt", "application/jwt", "application/JWT"])
async def test_the_media_type_of_an_id_token_may_be_written_in_full(crooked: CrookedProvider, typ: str) -> None:
    crooked.header = {"typ": typ}
    assert (await person(crooked)).subject == "8f1"


async def test_times_in_milliseconds_are_named(crooked: CrookedProvider) -> None:
    crooked.claims = {"iat": round(crooked.clock.now() * 1000), "exp": round((crooked.clock.now() + 300) * 1000)}
    assert "iat seems to be milliseconds: the provider must send seconds since 1970" in await refusal(crooked)


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"sub": None}, "it is missing; correct what the provider sends as sub"),
        ({"sub": 7}, "it is a number; correct"),
        ({"sub": "s" * 300}, "it is a text of 300 characters; correct"),
        ({"sub": ""}, "it is an empty text; correct"),
        ({"iat": None}, "the ID token has no iat, which the provider must add; it has aud, exp, iss, nonce, sub"),
        ({"iss": "https://other.example"}, "its issuer is 'https://other.example', not"),
    ],
)
async def test_a_claim_that_must_be_there_is_refused_with_what_came(
    crooked: CrookedProvider, claims: dict[str, Any], words: str
) -> None:
    crooked.claims = claims
    assert words in await refusal(crooked)


@pytest.mark.parametrize(
    ("sub", "words"), [("9a2", "sub is '9a2' there"), (9, "a number there"), (None, "missing there")]
)
async def test_userinfo_of_another_person_is_refused_with_both_subjects(
    crooked: CrookedProvider, sub: object, words: str
) -> None:
    crooked.userinfo = {"sub": sub, "groups": ["fra"]} if sub is not None else {"groups": ["fra"]}
    found = await refusal(crooked)
    assert words in found
    assert "and '8f1' in the ID token" in found


async def test_a_set_without_keys_says_what_it_has(crooked: CrookedProvider) -> None:
    crooked.instead = {"/keys": JSONResponse({"one": "-----BEGIN CERTIFICATE-----"})}
    assert "has no list of keys: keys is missing (it has one); check the issuer" in await refusal(crooked)
