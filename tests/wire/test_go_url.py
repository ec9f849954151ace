"""URLs are parsed and printed as in Go; tests/vectors/go_url.json was made by running net/url of Go 1.26."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.wire.go_text import printable, quote, quote_list, trim_space
from bootgrant.wire.go_url import (
    ANYWHERE,
    GoUrl,
    UrlError,
    encode_query,
    escape,
    escape_query,
    parse_request_uri,
    parse_url,
    unescape,
    unescape_query,
)
from support.vectors import vectors


def _without_detail(error: str) -> str:
    """The error without Go's detail about an IP address."""
    return re.sub(r'(?<="\)): .*', "", error)


@pytest.mark.parametrize("entry", vectors("go_url"), ids=lambda entry: ascii(entry["url"][:60]))
def test_it_agrees_with_go(entry: dict[str, Any]) -> None:
    assert quote(entry["url"]) == entry["quoted"]
    if "error" in entry:
        with pytest.raises(UrlError) as caught:
            parse_url(entry["url"])
        assert _without_detail(str(caught.value)) == _without_detail(entry["error"])
        return
    url = parse_url(entry["url"])
    assert str(url) == entry["string"]
    assert str(url.with_path("/device/code")) == entry["with_path"]
    assert encode_query(url.query()) == entry["query"]
    assert url.hostname() == entry["hostname"]


@pytest.mark.parametrize(
    ("address", "accepted"),
    [("::1", True), ("1:2:3:4:5:6:7:8", True), ("::ffff:192.0.2.1", True), ("fe80::1%25eth0", True),
     ("fe80::1%25a%25b", True), ("fe80::1%25", False),
     ("192.0.2.1", False), ("192.0.2.1%25eth0", False), ("::1/64", False), ("", False),
     ("1:2:3:4:5:6:7::8", False), ("::192.0.2.256", False), ("::192.0.2.01", False), ("host", False)],
)  # fmt: skip
def test_only_an_ipv6_address_may_be_in_brackets(address: str, accepted: bool) -> None:
    if accepted:
        assert parse_url(f"http://[{address}]:80/").hostname() == address.replace("%25", "%")
    else:
        with pytest.raises(UrlError):
            parse_url(f"http://[{address}]/")


def test_a_parsed_url_has_its_parts_decoded_and_as_written() -> None:
    assert parse_url("HTTPS://us%20er:p%3Aw@Host:8443/a%2Fb?x=1&y#f%20g") == GoUrl(
        scheme="https", user="us er", password="p:w", host="Host:8443", path="/a/b", raw_path="/a%2Fb",
        raw_query="x=1&y", fragment="f g", raw_fragment="f%20g",
    )  # fmt: skip
    assert parse_url("http://user@h/?") == GoUrl(
        "http", user="user", host="h", path="/", raw_path="/", force_query=True
    )
    assert parse_url("mailto:a?b") == GoUrl("mailto", opaque="a", raw_query="b")
    assert parse_url("file:///a") == GoUrl("file", path="/a", raw_path="/a")


def test_another_query_is_printed_and_read_as_given() -> None:
    url = parse_url("http://h/a?x=1#f").with_query("b=2&b=%33&a=+")
    assert str(url) == "http://h/a?b=2&b=%33&a=+#f"
    assert url.query() == {"b": ["2", "3"], "a": [" "]}


def test_a_query_of_ten_thousand_pairs_is_read_and_one_more_is_not_as_in_go() -> None:
    pairs = "&".join(["a=1"] * 10_000)
    assert len(parse_url(f"http://x/?{pairs}").query()["a"]) == 10_000
    assert parse_url(f"http://x/?{pairs}&a=1").query() == {}


@given(st.one_of(st.text(), st.binary().map(lambda content: content.decode("utf-8", "surrogateescape"))))
def test_arbitrary_text_is_a_url_or_an_error(text: str) -> None:
    try:
        url = parse_url(text)
    except UrlError:
        return
    assert str(parse_url(str(url))) == str(url)


def test_a_lone_surrogate_is_an_error() -> None:
    with pytest.raises(UrlError, match="not a text that can be encoded"):
        parse_url("http://x/\ud800")


@given(st.binary())
def test_escaped_text_is_restored(content: bytes) -> None:
    text = content.decode("utf-8", "surrogateescape")
    assert unescape_query(escape_query(text)) == text
    assert unescape(escape(text, frozenset())) == text


def test_each_escape_is_that_of_go() -> None:
    assert escape_query("a b+ä/~") == "a+b%2B%C3%A4%2F~"
    assert escape("a b<%>ä/?#[]", ANYWHERE) == "a%20b%3C%%3E%C3%A4/?#[]"
    assert unescape("a+b%2B") == "a+b+"
    assert unescape_query("a+b%2B") == "a b+"


@pytest.mark.parametrize(("text", "bad"), [("a%", "%"), ("%4", "%4"), ("%zz1", "%zz"), ("ok%41%g1", "%g1")])
def test_a_bad_escape_is_quoted_in_the_error(text: str, bad: str) -> None:
    with pytest.raises(ValueError, match=f'^invalid URL escape "{bad}"$'):
        unescape(text)


@given(st.text(alphabet=st.characters()))
def test_quoted_text_has_only_printable_characters(text: str) -> None:
    for shown in (quote(text), printable(text), quote_list((text, text))):
        assert all(char.isprintable() for char in shown)


def test_text_is_quoted_as_by_go() -> None:
    assert quote('a"b\\\a\b\f\n\r\t\v\x1b\x7f\x85\udcff\u202e\U000e0001é') == (
        r'"a\"b\\\a\b\f\n\r\t\v\x1b\x7f\u0085\xff\u202e\U000e0001é"'
    )
    assert printable('a"b\\\n') == 'a"b\\\\n'
    assert (quote_list(()), quote_list(("uuid", "mac"))) == ("[]", '["uuid" "mac"]')


def test_only_surrogate_escapes_become_bytes() -> None:
    assert quote("\udc7f\udc80\udcff\udd00") == r'"\udc7f\x80\xff\udd00"'
    assert quote("\uffff\U00010fff") == r'"\uffff\U00010fff"'


WHITE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2006\u200a\u2028\u2029\u202f\u205f\u3000"


@pytest.mark.parametrize("space", WHITE, ids=ascii)
def test_every_white_space_character_of_unicode_is_trimmed(space: str) -> None:
    assert trim_space(f"{space}a{space}b{space}") == f"a{space}b"


def test_white_space_is_that_of_unicode() -> None:
    assert trim_space("\u00a0\u2003 a b\t\u3000") == "a b"
    assert trim_space("\u200b\x1c") == "\u200b\x1c"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("https://discovery.talos.dev/", "/"),
        ("https://a", ""),
        ("grpc:opaque", ""),
        ("/path?q", "/path"),
        ("//host/path", "//host/path"),
        ("https://a/#b", "/#b"),
        ("*", "*"),
    ],
)
def test_a_uri_of_a_request_has_no_fragment_and_an_absolute_path_no_host(text: str, path: str) -> None:
    assert parse_request_uri(text).path == path


@pytest.mark.parametrize("text", ["", "a", "a/b", "https://a#b", "https://a b/", "\ud800"])
def test_other_texts_are_no_uri_of_a_request(text: str) -> None:
    with pytest.raises(UrlError):
        parse_request_uri(text)
