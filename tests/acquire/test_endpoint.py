"""Where a URL points: split without re-encoding, refused with a reason, never with a traceback."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.http.endpoint import EndpointError, parse_endpoint, without_password


@given(st.text() | st.text().map(lambda rest: f"http://{rest}") | st.text().map(lambda rest: f"https://host:1/{rest}"))
def test_any_text_is_split_or_refused(url: str) -> None:
    with contextlib.suppress(EndpointError):
        endpoint = parse_endpoint(url)
        assert endpoint.host
        assert 0 < endpoint.port < 65536
        assert re.fullmatch(rb"/[\x21-\x7e]*", endpoint.request_target)


@pytest.mark.parametrize(
    ("url", "host", "port", "target", "host_header"),
    [
        ("http://example.com", "example.com", 80, "/", "example.com"),
        ("HTTPS://Example.com/A?b#c", "Example.com", 443, "/A?b", "Example.com"),
        ("https://example.com:443/", "example.com", 443, "/", "example.com"),
        ("http://example.com:8080?x=${uuid}", "example.com", 8080, "/?x=${uuid}", "example.com:8080"),
        ("http://[2001:db8::1]:81/", "2001:db8::1", 81, "/", "[2001:db8::1]:81"),
        ("http://[fe80::1%25eth0]/", "fe80::1%eth0", 80, "/", "[fe80::1]"),
        ("http://[fe80::1%eth0]/", "fe80::1%eth0", 80, "/", "[fe80::1]"),
        ("http://bücher.example/", "xn--bcher-kva.example", 80, "/", "xn--bcher-kva.example"),
        ("http://ex%61mple.com/", "example.com", 80, "/", "example.com"),
    ],
)
def test_a_url_is_split_as_a_browser_would(url: str, host: str, port: int, target: str, host_header: str) -> None:
    endpoint = parse_endpoint(url)
    assert (endpoint.host, endpoint.port, endpoint.target, endpoint.host_header) == (host, port, target, host_header)


def test_user_and_password_are_decoded_and_kept_out_of_messages() -> None:
    endpoint = parse_endpoint("http://us%40er:p%3Aw@host/x?token=1")
    assert (endpoint.user, endpoint.password) == ("us@er", "p:w")
    assert endpoint.shown() == "http://host"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "not an http"),
        ("ftp://host/", "not an http"),
        ("host/path", "not an http"),
        ("https:host", "not an http"),
        ("http://", "no host"),
        ("http://:80/", "no host"),
        ("http://host:0/", "port"),
        ("http://host:99999/", "port"),
        ("http://host:x/", "cannot be read"),
        ("http://[::1/", "cannot be read"),
        ("http://${hostname}.example/", "no host has"),
        ("http://ho st/", "no host has"),
        ("http://a%2fb/", "no host has"),
        ("http://1.2.3.4%25eth0/", "no host has"),
        ("http://[localhost]/", "no host has"),
        ("http://" + "ü" * 300 + "/", "DNS"),
    ],
)
def test_a_url_that_cannot_be_requested_is_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(EndpointError, match=why):
        parse_endpoint(url)


def test_two_urls_are_one_origin_when_scheme_host_and_port_agree() -> None:
    first = parse_endpoint("https://Host/a").origin
    assert first == parse_endpoint("https://host:443/b").origin
    assert first != parse_endpoint("http://host/a").origin
    assert first != parse_endpoint("https://host:444/a").origin
    assert first != parse_endpoint("https://other/a").origin


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://us:pw@h/x?a=b@c#d", "http://us:xxxxx@h/x?a=b@c#d"),
        ("http://us:p:w@h/", "http://us:xxxxx@h/"),
        ("http://us@h/", "http://us@h/"),
        ("http://h/a:b@c", "http://h/a:b@c"),
        ("", ""),
    ],
)
def test_a_password_is_not_printed(url: str, shown: str) -> None:
    assert without_password(url) == shown
