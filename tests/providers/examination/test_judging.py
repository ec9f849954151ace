"""What a provider's answers mean: each is reported in words, with what to change."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bootgrant.approval.claims import RoleRule
from bootgrant.approval.operators import Role
from bootgrant.providers.examination.asking import Seen, one_line
from bootgrant.providers.examination.authorization import Asked, judge_authorization
from bootgrant.providers.examination.metadata import (
    judge_algorithms,
    judge_claims,
    judge_clock,
    judge_flow,
    judge_leaving,
    unknown_scopes,
)
from bootgrant.providers.examination.remark import Grade
from bootgrant.providers.examination.token_endpoint import judge_made_up_code
from bootgrant.providers.exchange import RawAnswer
from bootgrant.providers.settings import ALGORITHMS, SignInProvider
from bootgrant.wire.secret import Secret

NOW = 1_800_000_000.0
CALLBACK = "https://boot.example/login/oidc/corp/callback"
URL = "https://sso.example/auth?client_id=pages&prompt=none"
ASKED = Asked("pages", CALLBACK, "st4te", ("openid", "groups"), ("groups",))


def settings(secret: str = "hunter22", claim: str = "groups") -> SignInProvider:
    rules = (RoleRule(claim, "ops", Role.ADMIN),)
    kept = Secret(secret) if secret else None
    return SignInProvider("corp", "Corp", "https://sso.example", "pages", kept, ("openid", "groups"), rules)


def seen(status: int, body: str = "", *, location: str = "", hidden: str = "") -> Seen:
    headers = {"location": location, "date": formatdate(NOW, usegmt=True)}
    return Seen(RawAnswer(status, headers, body.encode()), NOW, (Secret(hidden),) if hidden else ())


def back(**parameters: str) -> str:
    named = {"state": "st4te"} | parameters
    return f"{CALLBACK}?" + "&".join(f"{name}={value}" for name, value in named.items())


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (seen(302, location=back(error="login_required")), "authorization"),
        (seen(303, location=back(error="interaction_required")), "authorization"),
        (seen(302, location=back(code="c0de")), "authorization"),
        (seen(302, location=back(error="login_required").replace("?", "#")), "authorization"),
        (seen(302, location="/login?challenge=7"), "authorization"),
        (seen(200, "<html><head><title>invalid_request</title></head><form>Sign in"), "authorization"),
        (seen(302, location=back(error="invalid_scope", error_description="Invalid+scopes")), "scope"),
        (seen(302, location=back(error="invalid_request", error_description="unknown+scope+groups")), "scope"),
        (seen(302, location=back(error="unauthorized_client")), "flow-off"),
        (seen(302, location=back(error="unsupported_response_type")), "response-type"),
        (seen(302, location=back(error="server_error")), "authorization-failed"),
        (seen(302, location=back(error="access_denied")), "authorization-refused"),
        (seen(302, location=back(error="login_required", state="another")), "state"),
        (seen(303, location="https://sso.example/error?error=invalid_client"), "client-unknown"),
        (
            seen(303, location="/error?error=invalid_request&error_description=The+'redirect_uri'+does+not+match"),
            "redirect-uri",
        ),
        # Keycloak, Dex, Google, Entra ID.
        (seen(400, "<p>We are sorry...</p><p>Invalid parameter: redirect_uri</p>"), "redirect-uri"),
        (seen(400, "Bad Request: Unregistered redirect_uri (&#34;https://boot.example&#34;)."), "redirect-uri"),
        (seen(400, "Error 400: redirect_uri_mismatch"), "redirect-uri"),
        (seen(200, "<html>AADSTS50011: The reply URL specified"), "redirect-uri"),
        (seen(400, "<p>Client not found.</p>"), "client-unknown"),
        (seen(400, "<p>Client disabled.</p>"), "client-unknown"),
        (seen(404, 'Invalid client_id ("pages").'), "authorization-endpoint"),
        (seen(400, 'Invalid client_id ("pages").'), "client-unknown"),
        (seen(400, "Unrecognized scope(s) / invalid_scope"), "scope"),
        (seen(403, "Forbidden"), "authorization-refused"),
        (seen(500, ""), "authorization-refused"),
    ],
)
def test_the_answer_to_an_authorization_request_is_reported(answer: Seen, code: str) -> None:
    remark = judge_authorization(answer, URL, ASKED)
    assert remark.code == code
    assert (remark.grade is Grade.OK) == (code == "authorization")
    assert bool(remark.fix) == (code != "authorization")


def test_a_refused_scope_is_named() -> None:
    remark = judge_authorization(seen(302, location=back(error="invalid_scope")), URL, ASKED)
    assert "does not know groups" in remark.message
    assert "Keycloak has no scope groups by default" in remark.fix


def test_a_redirect_to_another_place_that_only_begins_like_ours_is_not_ours() -> None:
    remark = judge_authorization(seen(302, location=f"{CALLBACK}.evil.example/?error=login_required"), URL, ASKED)
    assert remark.code == "authorization-refused"


@pytest.mark.parametrize(
    ("status", "error", "description", "code", "words"),
    [
        (400, "invalid_grant", "Code not valid", "credentials", "accepts the client pages"),
        (401, "invalid_client", "Invalid client credentials.", "credentials", "or its secret"),
        (401, "unauthorized_client", "Invalid client or Invalid client credentials", "credentials", "grant is off"),
        (400, "unauthorized_client", "Client not allowed for this flow", "flow-off", "may not use"),
        (400, "invalid_request", "requested grant type is not allowed for this client", "flow-off", "may not use"),
        (400, "unsupported_grant_type", "", "grant-type", "does not offer"),
        (400, "invalid_request", "odd", "credentials-unclear", "unusual"),
        (401, "", "", "credentials", "refuses the client pages"),
        (404, "", "", "token-endpoint", "does not answer as one"),
        (503, "", "", "token-endpoint", "fails"),
    ],
)
def test_the_answer_to_a_made_up_code_is_reported(
    status: int, error: str, description: str, code: str, words: str
) -> None:
    body = f'{{"error": "{error}", "error_description": "{description}"}}' if error else "<html>hm</html>"
    remark = judge_made_up_code(seen(status, body), settings())
    assert remark.code == code
    assert words in remark.message
    assert description in remark.message or error == "invalid_grant"


def test_both_causes_of_keycloaks_unauthorized_client_are_named() -> None:
    remark = judge_made_up_code(seen(401, '{"error": "unauthorized_client"}'), settings())
    assert "its secret is wrong, or the client or its grant is off" in remark.message
    assert "look at the secret first" not in remark.message
    on = judge_made_up_code(seen(401, '{"error": "unauthorized_client"}'), settings(), is_on=True)
    assert "look at the secret first" in on.message
    public = judge_made_up_code(seen(401, '{"error": "unauthorized_client"}'), settings(""))
    assert "it needs a secret" in public.message


def test_a_secret_that_the_provider_repeats_is_not_shown() -> None:
    body = '{"error": "invalid_client", "error_description": "wrong secret hunter22"}'
    assert "hunter22" not in judge_made_up_code(seen(401, body, hidden="hunter22"), settings()).message
    assert "hunter22" not in judge_authorization(seen(400, "no hunter22", hidden="hunter22"), URL, ASKED).message


@pytest.mark.parametrize(
    ("metadata", "grades"),
    [
        ({}, {"no-pkce": Grade.NOTE}),
        ({"code_challenge_methods_supported": ["plain"]}, {"no-s256": Grade.ERROR}),
        ({"code_challenge_methods_supported": ["plain", "S256"]}, {}),
        ({"response_types_supported": ["id_token"]}, {"response-type": Grade.ERROR, "no-pkce": Grade.NOTE}),
        ({"grant_types_supported": ["implicit"]}, {"grant-type": Grade.ERROR, "no-pkce": Grade.NOTE}),
        (
            {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
            {"client-auth": Grade.ERROR, "no-pkce": Grade.NOTE},
        ),
        ({"response_types_supported": 7, "code_challenge_methods_supported": {}}, {"no-pkce": Grade.NOTE}),
    ],
)
def test_the_metadata_is_judged(metadata: dict[str, object], grades: dict[str, Grade]) -> None:
    assert {remark.code: remark.grade for remark in judge_flow(metadata, settings())} == grades


def test_a_public_client_needs_a_provider_that_takes_one() -> None:
    metadata = {"token_endpoint_auth_methods_supported": ["client_secret_basic"]}
    assert [remark.code for remark in judge_flow(metadata, settings(""))] == ["no-pkce", "client-auth"]


def test_algorithms_without_one_in_common_are_an_error() -> None:
    assert [
        each.code for each in judge_algorithms({"id_token_signing_alg_values_supported": ["HS256"]}, ALGORITHMS)
    ] == ["algorithms"]
    assert list(judge_algorithms({"id_token_signing_alg_values_supported": ["HS256", "ES256"]}, ALGORITHMS)) == []
    assert list(judge_algorithms({}, ALGORITHMS)) == []


def test_scopes_are_compared_only_with_a_list() -> None:
    assert unknown_scopes({"scopes_supported": ["openid"]}, ("openid", "groups")) == ["groups"]
    assert unknown_scopes({}, ("openid", "groups")) == []


def test_a_claim_that_can_come_from_nowhere_is_a_warning() -> None:
    nested = settings(claim="realm_access.roles")
    assert [each.code for each in judge_claims({}, nested)] == ["claim-unknown"]
    assert list(judge_claims({"claims_supported": ["realm_access"]}, nested)) == []
    assert list(judge_claims({"userinfo_endpoint": "https://sso.example/me"}, nested)) == []


def test_signing_out_is_described_with_the_address_to_register() -> None:
    here = "https://boot.example/login/oidc/corp/logout"
    codes = [each.code for each in judge_leaving({}, here)]
    assert codes == ["no-end-session", "no-back-channel"]
    metadata = {"end_session_endpoint": "https://sso.example/end", "backchannel_logout_supported": True}
    (found,) = judge_leaving(metadata, here)
    assert (found.code, found.grade) == ("back-channel", Grade.NOTE)
    assert here in found.message


@pytest.mark.parametrize(
    ("off", "grade"),
    [(0, Grade.OK), (-4, Grade.OK), (30, Grade.WARNING), (-30, Grade.WARNING), (62, Grade.ERROR), (-62, Grade.ERROR)],
)
def test_clocks_that_differ_are_reported(off: float, grade: Grade) -> None:
    headers = {"date": formatdate(NOW + off, usegmt=True)}
    (remark,) = judge_clock(Seen(RawAnswer(200, headers, b""), NOW), 60)
    assert (remark.code, remark.grade) == ("provider-clock", grade)
    assert grade is Grade.OK or ("ahead of" in remark.message) == (off < 0)


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Nov 2026 00:00:00 GMT"])
def test_an_answer_without_a_date_says_nothing_about_clocks(date: str) -> None:
    (remark,) = judge_clock(Seen(RawAnswer(200, {"date": date}, b""), NOW), 60)
    assert (remark.code, remark.grade) == ("provider-clock-unknown", Grade.NOTE)
    assert list(judge_clock(None, 60)) == []


@given(st.integers(100, 599), st.binary(max_size=200), st.text(max_size=80))
@example(302, b"", "http://[")
def test_any_answer_is_judged_in_printable_words(status: int, body: bytes, location: str) -> None:
    answer = Seen(RawAnswer(status, {"location": location, "date": location}, body), NOW)
    for remark in (judge_authorization(answer, URL, ASKED), judge_made_up_code(answer, settings())):
        assert remark.message.isprintable()
        assert len(remark.message) < 700


@given(st.text(max_size=400))
def test_a_text_of_a_provider_becomes_one_short_line(text: str) -> None:
    assert one_line(text).isprintable()
    assert len(one_line(text)) <= 200


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        (
            b'{"access_token": "AT-secret", "id_token": "x"}',
            "application/json",
            "a JSON object (access_token, id_token)",
        ),
        (b'["AT-secret"]', "application/json", "a list in JSON"),
        (b"access_token=AT-secret", "application/x-www-form-urlencoded", "a form (access_token;"),
        (b"eyJh.AT-secret.c2ln", "application/jwt", "a signed token"),
        (b"<html><body>Invalid redirect uri</body></html>", "text/html", "Invalid redirect uri"),
        (b"no healthy upstream", "text/plain", "no healthy upstream"),
    ],
)
def test_only_texts_for_people_are_repeated(body: bytes, kind: str, words: str) -> None:
    found = Seen(RawAnswer(200, {"content-type": kind}, body), 0.0).words()
    assert words in found
    assert "AT-secret" not in found
