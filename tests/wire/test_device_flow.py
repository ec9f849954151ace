"""The messages of the device flow: what providers send is understood, and nothing that they send does harm."""

from __future__ import annotations

import contextlib
import json
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.wire import limits
from bootgrant.wire.device_flow import (
    DEFAULT_INTERVAL,
    FORM_TYPE,
    GRANT_TYPE,
    SLOW_DOWN_STEP,
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
TEN_YEARS = 10 * 365 * 86400


def codes(**changes: object) -> DeviceAuthorization:
    found = parse_device_authorization(json.dumps({**CODES, **changes}).encode())
    assert isinstance(found, DeviceAuthorization)
    return found


def token(**changes: object) -> AccessToken:
    found = parse_token(json.dumps({"access_token": "AT", **changes}).encode())
    assert isinstance(found, AccessToken)
    return found


def test_names_and_numbers_are_those_of_the_rfcs() -> None:
    assert GRANT_TYPE == "urn:ietf:params:oauth:grant-type:device_code"
    assert FORM_TYPE == "application/x-www-form-urlencoded"
    assert (DEFAULT_INTERVAL, SLOW_DOWN_STEP) == (5, 5)
    assert [str(code) for code in ErrorCode] == [
        "authorization_pending", "slow_down", "access_denied", "expired_token", "invalid_request", "invalid_client",
        "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "server_error",
        "temporarily_unavailable",
    ]  # fmt: skip


# What a client reads.


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_arbitrary_bytes_are_parsed_or_refused(body: bytes) -> None:
    for parse in (parse_device_authorization, parse_token):
        with contextlib.suppress(AnswerError):
            assert isinstance(parse(body), DeviceAuthorization | AccessToken | OAuthError)


@given(st.dictionaries(MEMBERS, JSON))
def test_members_of_any_type_are_parsed_or_refused_and_can_be_encoded(members: dict[str, object]) -> None:
    body = json.dumps(members).encode()
    try:
        found = parse_device_authorization(body)
    except AnswerError:
        return
    if isinstance(found, DeviceAuthorization):
        shown = found.user_code + found.verification_uri + found.verification_uri_complete
        assert (shown + found.device_code.reveal()).encode()
        assert found.interval > 0


def test_the_smallest_answers_get_defaults() -> None:
    assert codes() == DeviceAuthorization(Secret("DC"), "AB-CD", "https://idp/d", "", None, 5)
    assert token() == AccessToken(Secret("AT"), "Bearer", None, None, "")
    assert token(token_type="", id_token="", scope=7) == token()


def test_the_old_names_of_the_verification_uris_are_understood() -> None:
    old = {"verification_uri": None, "verification_url": "https://goo/d", "verification_url_complete": "https://goo/c"}
    found = codes(**old)
    assert (found.verification_uri, found.verification_uri_complete) == ("https://goo/d", "https://goo/c")
    found = codes(verification_url="https://goo/d", verification_uri_complete="new", verification_url_complete="old")
    assert (found.verification_uri, found.verification_uri_complete) == ("https://idp/d", "new")


@pytest.mark.parametrize(
    ("written", "meant"),
    [(600, 600), (600.0, 600), (1.5, 2), ("600", 600), ("600.0", 600), (0, 0), (-7, -1), (None, None), (True, None),
     ("soon", None), ("nan", None), ([1], None), (TEN_YEARS + 1, TEN_YEARS), (1e400, TEN_YEARS)],
)  # fmt: skip
def test_seconds_in_any_notation_are_understood(written: object, meant: int | None) -> None:
    assert codes(expires_in=written).expires_in == meant
    assert token(expires_in=written).expires_in == meant


@pytest.mark.parametrize(("written", "meant"), [(1, 1), (0.5, 1), (0, 5), (-5, 5), (None, 5), ("x", 5), ("7", 7)])
def test_an_interval_that_is_not_positive_becomes_the_default(written: object, meant: int) -> None:
    assert codes(interval=written).interval == meant


def test_a_number_with_thousands_of_digits_is_cut() -> None:
    found = parse_token(b'{"access_token": "AT", "expires_in": 1' + b"0" * 4000 + b"}")
    assert isinstance(found, AccessToken)
    assert found.expires_in in (None, TEN_YEARS)


def test_errors_and_tokens_in_a_form_are_understood() -> None:
    assert parse_token(b"error=authorization_pending&error_description=wait") == OAuthError(
        "authorization_pending", "wait"
    )
    assert parse_token(b"error=access_denied&error_description=caf%E9") == OAuthError("access_denied", "caf\ufffd")
    found = parse_token(b" access_token=FT&token_type=bearer&expires_in=10\n")
    assert found == AccessToken(Secret("FT"), "bearer", 10)
    assert isinstance(parse_device_authorization(b"device_code=D&user_code=U&verification_uri=V"), DeviceAuthorization)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the answer is empty"),
        (b" \n", "the answer is empty"),
        (b"not json", "the answer is not JSON"),
        (b"a=b", "the answer is not JSON"),
        (b"&".join([b"error=%d" % n for n in range(limits.FORM_FIELDS + 1)]), "the answer is not JSON"),
        (b"[" * 100_000, "the answer is not JSON"),
        (b"[]", "the answer is JSON, but not an object"),
        (b'"x"', "the answer is JSON, but not an object"),
        (b"\xff\xfe", "the answer is not UTF-8"),
        (b'{"error": 7}', "the error in the answer is not a text"),
        (b'{"error": ""}', "the error in the answer is not a text"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused_with_the_reason(body: bytes, reason: str) -> None:
    for parse in (parse_device_authorization, parse_token):
        with pytest.raises(AnswerError) as caught:
            parse(body)
        assert str(caught.value) == reason


@pytest.mark.parametrize("name", list(CODES))
def test_codes_without_a_required_member_are_refused(name: str) -> None:
    for missing in (None, "", 7):
        with pytest.raises(AnswerError, match=f"the answer has no {name}$"):
            codes(**{name: missing})


def test_a_token_answer_without_a_token_is_refused() -> None:
    with pytest.raises(AnswerError, match=r"the answer has no access_token$"):
        parse_token(b"{}")


def test_a_byte_order_mark_is_skipped() -> None:
    assert parse_token(b'\xef\xbb\xbf{"access_token": "AT"}') == token()


def test_an_error_is_cut_to_what_can_be_shown() -> None:
    error = parse_token(json.dumps({"error": "e" * 300, "error_description": "d" * 3000}).encode())
    assert error == OAuthError("e" * 256, "d" * 2048)
    assert parse_token(json.dumps({"error": "e" * 256, "error_description": 7}).encode()) == OAuthError("e" * 256)


def test_an_answer_with_an_error_is_a_refusal_whatever_else_it_has() -> None:
    body = json.dumps({**CODES, "access_token": "AT", "error": "slow_down"}).encode()
    assert parse_device_authorization(body) == parse_token(body) == OAuthError("slow_down")


def test_googles_answer_beyond_a_quota_is_a_refusal() -> None:
    assert parse_token(b'{"error_code": "rate_limit_exceeded"}') == OAuthError("rate_limit_exceeded")
    assert parse_token(json.dumps({"error_code": "e" * 300}).encode()) == OAuthError("e" * 256)
    assert token(error_code="x") == token()
    assert codes(error_code="x") == codes()


def test_a_lone_surrogate_becomes_a_question_mark() -> None:
    assert token(access_token="a\ud800b").access_token.reveal() == "a?b"


@pytest.mark.parametrize(
    ("name", "longest"), [("user_code", 256), ("verification_uri", 2048), ("verification_uri_complete", 2048)]
)
def test_a_code_or_url_that_is_too_long_to_show_is_refused(name: str, longest: int) -> None:
    assert getattr(codes(**{name: "x" * longest}), name) == "x" * longest
    with pytest.raises(AnswerError, match="too long to show"):
        codes(**{name: "x" * (longest + 1)})


def test_no_secret_is_in_the_repr_of_a_message() -> None:
    assert "DC" not in repr(codes())
    assert "AT" not in repr(token(id_token="IDT"))
    assert "IDT" not in repr(token(id_token="IDT"))


# What a server writes.


def test_the_members_of_an_answer_are_those_that_are_set() -> None:
    assert DeviceAuthorization(Secret("DC"), "AB-CD", "https://idp/d").as_json() == {**CODES, "interval": 5}
    full = DeviceAuthorization(Secret("DC"), "AB-CD", "https://idp/d", "https://idp/c", 0, 1)
    assert list(full.as_json()) == [*CODES, "verification_uri_complete", "expires_in", "interval"]
    assert AccessToken(Secret("AT")).as_json() == {"access_token": "AT", "token_type": "Bearer"}
    whole = AccessToken(Secret("AT"), "Bearer", 0, Secret("IDT"), "openid").as_json()
    assert list(whole) == ["access_token", "token_type", "expires_in", "id_token", "scope"]
    assert OAuthError(ErrorCode.SLOW_DOWN).as_json() == {"error": "slow_down"}


def test_both_sides_agree_on_codes_tokens_and_errors() -> None:
    sent = DeviceAuthorization(Secret("DC"), "AB-CD", "https://idp/d", "https://idp/d?c=AB-CD", 600, 1)
    assert parse_device_authorization(json.dumps(sent.as_json()).encode()) == sent
    issued = AccessToken(Secret("AT"), "Bearer", 3600, Secret("IDT"), "openid")
    assert parse_token(json.dumps(issued.as_json()).encode()) == issued
    refusal = OAuthError(ErrorCode.SLOW_DOWN, "too fast")
    assert parse_token(json.dumps(refusal.as_json()).encode()) == refusal


def test_an_error_reads_as_its_code_and_description() -> None:
    assert str(OAuthError("access_denied", "no")) == "access_denied: no"
    assert str(OAuthError(ErrorCode.ACCESS_DENIED)) == "access_denied"


@given(st.text(min_size=1))
def test_a_description_is_sent_in_the_characters_of_the_rfc(text: str) -> None:
    sent = OAuthError("access_denied", text).as_json()["error_description"]
    assert all(letter in "\x20\x21" or "\x23" <= letter <= "\x5b" or "\x5d" <= letter <= "\x7e" for letter in sent)
    assert len(sent) <= 300


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("plain ~ text", "plain ~ text"),
        ("a back\\slash", "a back/slash"),
        ('a "quote"', "a 'quote'"),
        ('not yours: "r\u00e4um" \\ ok', "not yours: 'raum' / ok"),
        ("C:\\boot", "C:/boot"),
        ("\u00e9t\u00e9 ~", "ete ~"),
        ("two\nlines\tand\x00more", "two lines and?more"),
        ("\u4e2d", "?"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 297 + "..."),
        ('"' + "x" * 300, "'" + "x" * 296 + "..."),
    ],
)
def test_a_description_stays_readable(text: str, sent: str) -> None:
    assert OAuthError("access_denied", text).as_json()["error_description"] == sent


# What a client writes and a server reads.


def test_the_request_for_codes_has_only_what_is_set() -> None:
    assert device_form("cid", (), "", {}) == {"client_id": "cid"}
    assert device_form("cid", ("openid", "profile"), "aud", {"uuid": "U", "client_id": "x"}) == {
        "client_id": "cid", "scope": "openid profile", "audience": "aud", "uuid": "U",
    }  # fmt: skip


def test_the_token_request_repeats_it_with_the_device_code() -> None:
    form = token_form("cid", Secret("DC"), ("openid",), "aud", {"uuid": "U", "device_code": "x"})
    request = device_form("cid", ("openid",), "aud", {"uuid": "U"})
    assert form == {**request, "grant_type": GRANT_TYPE, "device_code": "DC"}


@given(st.text(), st.binary())
def test_arbitrary_forms_are_parsed_or_refused(content_type: str, body: bytes) -> None:
    for kind in (content_type, FORM_TYPE):
        assert isinstance(parse_form(kind, body), dict | OAuthError)


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=20), max_size=10))
def test_a_form_is_read_as_it_was_written(fields: dict[str, str]) -> None:
    assert parse_form(f"{FORM_TYPE.upper()} ; charset=utf-8", urlencode(fields).encode()) == fields


def test_the_usual_parameters_are_read() -> None:
    form = token_form("cid", Secret("DC"), (), "", {"uuid": "U", "serial": "S N", "mac": "02:00:00:00:00:01"})
    assert parse_form(FORM_TYPE, urlencode(form).encode()) == form


@given(
    st.lists(st.sampled_from(["a", "=", "&", "%", "+", "4", "%3A", "%3a", "%C3%A9", "é", "\0"]), max_size=12).map(
        "".join
    )
)
def test_a_form_is_read_as_by_every_other_server(text: str) -> None:
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


def test_a_form_may_be_as_large_as_the_limits() -> None:
    most = b"&".join([b"a%d=1" % number for number in range(limits.FORM_FIELDS)])
    assert len(form_of(most)) == limits.FORM_FIELDS
    assert len(form_of(b"a=" + b"x" * (limits.REQUEST_BODY - 2))["a"]) == limits.REQUEST_BODY - 2


def form_of(body: bytes) -> dict[str, str]:
    form = parse_form(FORM_TYPE, body)
    assert isinstance(form, dict)
    return form


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("application/json", b"{}", f"Content-Type must be {FORM_TYPE}"),
        ("", b"a=1", f"Content-Type must be {FORM_TYPE}"),
        (FORM_TYPE, b"a=1&a=2", "a parameter is repeated"),
        (FORM_TYPE, b"uuid=1&%75uid=2", "a parameter is repeated"),
        (FORM_TYPE, b"a=%ff", "the body is not a form in UTF-8 with a few parameters"),
        (FORM_TYPE, b"%ff=a", "the body is not a form in UTF-8 with a few parameters"),
        (FORM_TYPE, b"a=\xff", "the body is not a form in UTF-8 with a few parameters"),
        (FORM_TYPE, b"&".join([b"a%d=1" % n for n in range(limits.FORM_FIELDS + 1)]),
         "the body is not a form in UTF-8 with a few parameters"),
        (FORM_TYPE, b"a=" + b"x" * (limits.REQUEST_BODY - 1), "the body is larger than 16384 bytes"),
    ],
)  # fmt: skip
def test_a_form_that_breaks_the_rules_is_refused_with_the_reason(content_type: str, body: bytes, reason: str) -> None:
    assert parse_form(content_type, body) == OAuthError(ErrorCode.INVALID_REQUEST, reason)
