"""The two requests to a provider, and the events that follow from its answers."""

from __future__ import annotations

import time
from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256

import pytest

from bootgrant.acquire.cmdline.settings import OAuthSettings
from bootgrant.acquire.errors import BadParameter, ProviderFailed, Unreachable
from bootgrant.acquire.flow.provider import Provider
from bootgrant.acquire.flow.values import (
    Broken,
    ClientAuth,
    CodesArrived,
    Event,
    Hopeless,
    PollToken,
    Refused,
    RequestCodes,
    TokenArrived,
    WhyCodes,
)
from bootgrant.acquire.http.transport import Transport
from bootgrant.wire.device_flow import GRANT_TYPE, OAuthError
from bootgrant.wire.secret import Secret
from support.answering_server import Answer, AnsweringServer, http, reply

CODES = {"device_code": "DC", "user_code": "AB-CD", "verification_uri": "https://idp/d", "interval": 1}


def oauth(url: str, secret: str = "") -> OAuthSettings:
    return OAuthSettings(
        client_id="c:i d",
        client_secret=Secret(secret) if secret else None,
        scopes=("openid", "profile"),
        audience="aud",
        device_auth_url=f"{url}/device/code?uuid=${{uuid}}",
        token_url=f"{url}/token",
        extra_variables=("uuid",),
    )


def provider(url: str, secret: str = "", *, pkce: bool = False) -> Provider:
    return Provider(Transport(), oauth(url, secret), {"uuid": "U"}, pkce=pkce)


def ask(provider: Provider, auth: ClientAuth = ClientAuth.NONE) -> Event:
    return provider.request_codes(RequestCodes(auth, WhyCodes.FIRST, time.monotonic() + 10))


def poll(provider: Provider, auth: ClientAuth = ClientAuth.NONE) -> Event:
    return provider.poll(PollToken(Secret("DC"), auth, time.monotonic() + 10))


def asked(answer: Answer | bytes) -> Event:
    with AnsweringServer(answer if callable(answer) else lambda _: answer) as server:
        return ask(provider(server.url))


def polled(answer: Answer | bytes) -> Event:
    with AnsweringServer(answer if callable(answer) else lambda _: answer) as server:
        return poll(provider(server.url))


def test_the_request_for_codes_has_client_scopes_audience_and_variables() -> None:
    with AnsweringServer(lambda _: reply(200, CODES)) as server:
        event = ask(provider(server.url))
    assert isinstance(event, CodesArrived)
    request = server.asked[0]
    assert (request.method, request.target) == ("POST", "/device/code?uuid=${uuid}")
    assert request.form == {"client_id": "c:i d", "scope": "openid profile", "audience": "aud", "uuid": "U"}
    assert request.headers["user-agent"].startswith("bootgrant/")
    assert "authorization" not in request.headers


def test_the_token_request_is_one_request_with_the_code() -> None:
    with AnsweringServer(lambda _: reply(200, {"access_token": "AT"})) as server:
        event = poll(provider(server.url))
    assert isinstance(event, TokenArrived)
    assert event.token.access_token.reveal() == "AT"
    assert len(server.asked) == 1
    assert server.asked[0].form["grant_type"] == GRANT_TYPE
    assert server.asked[0].form["device_code"] == "DC"


def test_a_secret_is_sent_in_the_body_or_in_the_header_never_both() -> None:
    with AnsweringServer(lambda _: reply(200, CODES)) as server:
        for auth in (ClientAuth.BODY, ClientAuth.BASIC):
            ask(provider(server.url, secret="s&=e c"), auth)
    in_body, in_header = server.asked
    assert in_body.form["client_secret"] == "s&=e c"
    assert "authorization" not in in_body.headers
    assert "client_secret" not in in_header.form
    assert in_header.headers["authorization"] == "Basic " + b64encode(b"c%3Ai+d:s%26%3De+c").decode()


def test_user_and_password_in_the_url_become_a_basic_header() -> None:
    with AnsweringServer(lambda _: reply(200, CODES)) as server:
        ask(provider(server.url.replace("http://", "http://us:pw@")))
    assert server.asked[0].headers["authorization"] == "Basic " + b64encode(b"us:pw").decode()


def test_pkce_ties_the_poll_to_the_request_for_codes() -> None:
    with AnsweringServer(lambda request: reply(200, CODES if "code_challenge" in request.form else {})) as server:
        both = provider(server.url, pkce=True)
        ask(both)
        poll(both)
    challenge, verifier = server.asked[0].form["code_challenge"], server.asked[1].form["code_verifier"]
    assert server.asked[0].form["code_challenge_method"] == "S256"
    assert urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode() == challenge
    assert len(verifier) >= 43


def test_each_request_for_codes_has_its_own_verifier() -> None:
    with AnsweringServer(lambda _: reply(200, CODES)) as server:
        twice = provider(server.url, pkce=True)
        ask(twice)
        ask(twice)
    assert server.asked[0].form["code_challenge"] != server.asked[1].form["code_challenge"]


@pytest.mark.parametrize("status", [200, 400, 401, 428, 429, 500])
def test_an_oauth_error_is_a_refusal_whatever_its_status(status: int) -> None:
    refusal = reply(status, {"error": "authorization_pending", "error_description": "wait"})
    assert polled(refusal) == Refused(OAuthError("authorization_pending", "wait"))


def test_a_refusal_says_when_to_ask_again() -> None:
    refusal = http(400, b'{"error": "access_denied"}', Content_Type="application/json", Retry_After="521")
    for event in (asked(refusal), polled(refusal)):
        assert event == Refused(OAuthError("access_denied"), 521.0)


def test_an_error_as_text_or_as_a_form_is_a_refusal_too() -> None:
    expected = Refused(OAuthError("slow_down"))
    assert polled(http(400, b'{"error": "slow_down"}', Content_Type="text/plain")) == expected
    assert polled(http(400, b"error=slow_down", Content_Type="application/x-www-form-urlencoded")) == expected


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_a_failing_server_is_tried_again_after_the_pause_that_it_requests(status: int) -> None:
    for event in (asked(http(status, b"busy", Retry_After="7")), polled(http(status, b"busy", Retry_After="7"))):
        assert isinstance(event, Broken)
        assert (event.answered, event.retry_after) == (True, 7.0)
        assert str(status) in event.error.what


def test_an_unusable_answer_ends_the_request_for_codes_but_only_delays_a_poll() -> None:
    for answer in (http(404, b"<html>"), http(200, b"<html>"), reply(200, {}), reply(200, [])):
        event = asked(answer)
        assert isinstance(event, Hopeless)
        assert "device_auth_url" in event.error.next_step
        later = polled(answer)
        assert isinstance(later, Broken)
        assert "token_url" in later.error.next_step


def test_a_closed_port_is_worth_another_attempt() -> None:
    with AnsweringServer(lambda _: b"") as server:
        url = server.url
    event = ask(provider(url))
    assert isinstance(event, Broken)
    assert isinstance(event.error, Unreachable)
    assert not event.answered
    assert url in event.error.what


def test_an_endless_answer_is_not_a_providers() -> None:
    event = asked(http(200, b"x" * (2 << 20)))
    assert isinstance(event, Hopeless)


def test_a_redirect_that_keeps_the_request_is_followed_on_the_same_server() -> None:
    with AnsweringServer(
        lambda request: reply(200, CODES) if "again" in request.target else http(307, Location="/d?again")
    ) as server:
        event = ask(provider(server.url))
    assert isinstance(event, CodesArrived)
    assert [request.method for request in server.asked] == ["POST", "POST"]
    assert server.asked[0].form == server.asked[1].form


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_drop_the_request_is_refused(status: int) -> None:
    with AnsweringServer(lambda _: http(status, Location="/other")) as server:
        event = ask(provider(server.url))
    assert isinstance(event, Hopeless)
    assert len(server.asked) == 1


def test_no_other_server_gets_the_secret() -> None:
    with AnsweringServer(lambda _: reply(200, CODES)) as other:
        with AnsweringServer(lambda _: http(307, Location=f"{other.url}/steal")) as server:
            event = ask(provider(server.url, secret="s3cret"), ClientAuth.BODY)
        assert other.asked == []
    assert isinstance(event, Hopeless)
    assert isinstance(event.error, ProviderFailed)
    assert other.url in event.error.what


def test_a_redirect_loop_ends() -> None:
    with AnsweringServer(lambda _: http(307, Location="/device/code")) as server:
        event = ask(provider(server.url))
    assert isinstance(event, Hopeless)
    assert len(server.asked) < 10


@pytest.mark.parametrize("location", ["", "ftp://x/", "http://[::1", "http://host:99999/"])
def test_a_redirect_to_an_invalid_url_is_refused(location: str) -> None:
    event = asked(http(307, Location=location) if location else http(307))
    assert isinstance(event, Hopeless | Broken)


@pytest.mark.parametrize("url", ["", "ftp://idp/device", "https://", "https://idp:x/"])
def test_the_error_for_an_invalid_endpoint_names_its_parameter(url: str) -> None:
    settings = OAuthSettings("cid", None, (), "", url, "http://idp/token", ())
    with pytest.raises(BadParameter, match="device_auth_url"):
        Provider(Transport(), settings, {})
