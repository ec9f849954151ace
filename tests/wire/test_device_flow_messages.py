"""The messages of the device flow: what providers send is read, and whatever they send does no harm."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.wire import limits
from bootgrant.wire.device_flow import (
    FORM_TYPE,
    GRANT_TYPE,
    AccessToken,
    AnswerError,
    DeviceAuthorization,
    ErrorCode,
    OAuthError,
    device_form,
    parse_device_authorization,
    parse_form,
    parse_token,
    token_form,
)
from bootgrant.wire.secret import Secret

CODES = {"device_code": "DC", "user_code": "AB-CD", "verification_uri": "https://idp/d"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = st.sampled_from(
    ["device_code", "user_code", "verification_uri", "verification_url", "verification_uri_complete", "expires_in",
     "interval", "access_token", "token_type", "id_token", "scope", "error", "error_description"]
)  # fmt: skip


def codes(**changes: object) -> DeviceAuthorization | OAuthError:
    return parse_device_authorization(json.dumps({**CODES, **changes}).encode())


def token(**changes: object) -> AccessToken | OAuthError:
    return parse_token(json.dumps({"access_token": "AT", **changes}).encode())


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for parse in (parse_device_authorization, parse_token):
        with contextlib.suppress(AnswerError):
            assert isinstance(parse(body), DeviceAuthorization | AccessToken | OAuthError)


@given(st.dictionaries(MEMBERS, JSON))
def test_members_of_any_type_are_read_or_refused_and_can_be_sent_on(members: dict[str, object]) -> None:
    body = json.dumps(members).encode()
    try:
        found = parse_device_authorization(body)
    except AnswerError:
        return
    if isinstance(found, DeviceAuthorization):
        shown = found.user_code + found.verification_uri + found.verification_uri_complete
        assert (shown + found.device_code.reveal()).encode()
        assert found.interval > 0


@given(st.text(), st.binary())
def test_any_form_is_read_or_refused(content_type: str, body: bytes) -> None:
    for kind in (content_type, FORM_TYPE):
        assert isinstance(parse_form(kind, body), dict | OAuthError)


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=20), max_size=10))
def test_a_written_form_is_read_back(fields: dict[str, str]) -> None:
    from urllib.parse import urlencode

    assert parse_form(f"{FORM_TYPE}; charset=utf-8", urlencode(fields).encode()) == fields


@given(
    st.lists(st.sampled_from(["a", "=", "&", "%", "+", "4", "%3A", "%3a", "%C3%A9", "é", "\0"]), max_size=12).map(
        "".join
    )
)
def test_a_form_is_read_as_every_other_server_reads_it(text: str) -> None:
    from urllib.parse import parse_qsl

    body = text.encode()
    found = parse_form(FORM_TYPE, body)
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict")
    except UnicodeError:
        pairs = None
    if pairs is None or len(dict(pairs)) != len(pairs):
        assert isinstance(found, OAuthError)
    else:
        assert found == dict(pairs)


def test_both_sides_agree_on_codes_and_tokens() -> None:
    sent = DeviceAuthorization(Secret("DC"), "AB-CD", "https://idp/d", "https://idp/d?c=AB-CD", 600, 1)
    assert parse_device_authorization(json.dumps(sent.as_json()).encode()) == sent
    given_out = AccessToken(Secret("AT"), "Bearer", 3600, Secret("IDT"), "openid")
    assert parse_token(json.dumps(given_out.as_json()).encode()) == given_out
    refusal = OAuthError(ErrorCode.SLOW_DOWN, "too fast")
    assert parse_token(json.dumps(refusal.as_json()).encode()) == refusal


def test_the_old_name_of_the_verification_uri_is_understood() -> None:
    body = json.dumps({"device_code": "DC", "user_code": "U", "verification_url": "https://goo/device"}).encode()
    found = parse_device_authorization(body)
    assert isinstance(found, DeviceAuthorization)
    assert found.verification_uri == "https://goo/device"


@pytest.mark.parametrize(
    ("written", "meant"),
    [(600, 600), (600.0, 600), (1.5, 2), ("600", 600), ("600.0", 600), (None, None), (True, None), ("soon", None)],
)
def test_seconds_of_sloppy_providers_are_understood(written: object, meant: int | None) -> None:
    found = codes(expires_in=written)
    assert isinstance(found, DeviceAuthorization)
    assert found.expires_in == meant


@pytest.mark.parametrize("written", [0, -5, None, "x", 1e400])
def test_an_interval_that_is_none_becomes_a_sane_one(written: object) -> None:
    found = codes(interval=written)
    assert isinstance(found, DeviceAuthorization)
    assert found.interval >= 5


def test_numbers_beyond_reason_do_no_harm() -> None:
    found = parse_token(b'{"access_token": "AT", "expires_in": 1' + b"0" * 4000 + b"}")
    assert isinstance(found, AccessToken)
    found = token(expires_in=10**300)
    assert isinstance(found, AccessToken)
    assert found.expires_in == 10 * 365 * 86400


def test_errors_and_tokens_in_a_form_are_understood() -> None:
    assert parse_token(b"error=authorization_pending&error_description=wait") == OAuthError(
        "authorization_pending", "wait"
    )
    found = parse_token(b"access_token=FT&token_type=bearer&expires_in=10")
    assert isinstance(found, AccessToken)
    assert (found.access_token.reveal(), found.expires_in) == ("FT", 10)


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000, b"{}", b'{"error": 7}'])
def test_an_answer_that_is_none_is_told_as_that(body: bytes) -> None:
    for parse in (parse_device_authorization, parse_token):
        with pytest.raises(AnswerError):
            parse(body)


def test_half_a_character_becomes_one_that_can_be_sent() -> None:
    found = parse_token(b'{"access_token": "a\\ud800b"}')
    assert isinstance(found, AccessToken)
    assert found.access_token.reveal() == "a?b"


def test_a_code_too_long_to_show_is_refused() -> None:
    for name in ("user_code", "verification_uri", "verification_uri_complete"):
        with pytest.raises(AnswerError, match="too long"):
            codes(**{name: "x" * 5000})


def test_no_secret_is_in_the_text_of_a_message() -> None:
    assert "DC" not in repr(codes())
    assert "AT" not in repr(token(id_token="IDT"))
    assert "IDT" not in repr(token(id_token="IDT"))


@pytest.mark.parametrize(
    ("content_type", "body", "why"),
    [
        ("application/json", b"{}", "Content-Type"),
        (FORM_TYPE, b"a=1&a=2", "repeated"),
        (FORM_TYPE, b"a=%ff", "UTF-8"),
        (FORM_TYPE, b"a=\xff", "UTF-8"),
        (FORM_TYPE, b"&".join([b"a%d=1" % n for n in range(limits.FORM_FIELDS + 1)]), "few parameters"),
        (FORM_TYPE, b"a=" + b"x" * limits.REQUEST_BODY, "larger"),
    ],
)
def test_a_form_that_breaks_the_rules_is_refused_with_the_reason(content_type: str, body: bytes, why: str) -> None:
    refusal = parse_form(content_type, body)
    assert isinstance(refusal, OAuthError)
    assert refusal.code == ErrorCode.INVALID_REQUEST
    assert why in refusal.description


def test_the_request_for_codes_has_what_was_asked_for_and_nothing_else() -> None:
    assert device_form("cid", (), "", {}) == {"client_id": "cid"}
    assert device_form("cid", ("openid", "profile"), "aud", {"uuid": "U"}) == {
        "client_id": "cid", "scope": "openid profile", "audience": "aud", "uuid": "U",
    }  # fmt: skip


def test_the_token_request_repeats_it_with_the_code() -> None:
    form = token_form("cid", Secret("DC"), (), "", {"uuid": "U"})
    assert form == {"client_id": "cid", "uuid": "U", "grant_type": GRANT_TYPE, "device_code": "DC"}


@given(st.text(min_size=1))
def test_a_description_leaves_in_the_characters_of_the_rfc(text: str) -> None:
    told = OAuthError("access_denied", text).as_json()["error_description"]
    assert all(letter in "\x20\x21" or "\x23" <= letter <= "\x5b" or "\x5d" <= letter <= "\x7e" for letter in told)
    assert len(told) <= 300


def test_a_description_stays_readable() -> None:
    told = OAuthError("access_denied", 'not yours: "r\u00e4um" \\ ok').as_json()["error_description"]
    assert told == "not yours: 'raum' / ok"
