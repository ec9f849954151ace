"""URLs are read and written as Go does; tests/vectors/go_url.json was made by running net/url of Go 1.26."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.wire.go_text import printable, quote, quote_list, trim_space
from bootgrant.wire.go_url import UrlError, encode_query, escape_query, parse_url, unescape_query
from support.vectors import vectors


def _without_detail(error: str) -> str:
    """The error without what Go says is wrong with an IP address."""
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


def test_a_query_of_ten_thousand_pairs_is_read_and_one_more_is_not_as_in_go() -> None:
    pairs = "&".join(["a=1"] * 10_000)
    assert len(parse_url(f"http://x/?{pairs}").query()["a"]) == 10_000
    assert parse_url(f"http://x/?{pairs}&a=1").query() == {}


@given(st.one_of(st.text(), st.binary().map(lambda content: content.decode("utf-8", "surrogateescape"))))
def test_any_text_is_a_url_or_the_one_error(text: str) -> None:
    try:
        url = parse_url(text)
    except UrlError:
        return
    assert str(parse_url(str(url))) == str(url)


def test_a_lone_surrogate_is_an_error_and_not_a_crash() -> None:
    with pytest.raises(UrlError):
        parse_url("http://x/\ud800")


@given(st.binary())
def test_what_is_escaped_comes_back_the_same(content: bytes) -> None:
    text = content.decode("utf-8", "surrogateescape")
    assert unescape_query(escape_query(text)) == text


@given(st.text(alphabet=st.characters()))
def test_quoted_text_cannot_move_the_cursor(text: str) -> None:
    for shown in (quote(text), printable(text), quote_list((text, text))):
        assert all(char.isprintable() for char in shown)


def test_white_space_is_that_of_unicode() -> None:
    assert trim_space("\u00a0\u2003 a b\t\u3000") == "a b"
    assert trim_space("\u200b\x1c") == "\u200b\x1c"
