"""URLs are split without re-encoding, or refused with a reason; proxies follow the usual variables."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.errors import BadParameter
from bootgrant.acquire.http.endpoint import EndpointError, parse_endpoint, proxy_for, without_password

PROXY = "http://proxy:3128"


@given(st.text() | st.text().map(lambda rest: f"http://{rest}") | st.text().map(lambda rest: f"https://host:1/{rest}"))
def test_arbitrary_text_is_split_or_refused(url: str) -> None:
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
def test_a_url_is_split_as_in_a_browser(url: str, host: str, port: int, target: str, host_header: str) -> None:
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
        ("http://${hostname}.example/", "invalid characters"),
        ("http://ho st/", "invalid characters"),
        ("http://a%2fb/", "invalid characters"),
        ("http://1.2.3.4%25eth0/", "invalid characters"),
        ("http://[localhost]/", "invalid characters"),
        ("http://" + "ü" * 300 + "/", "DNS"),
    ],
)
def test_a_url_that_cannot_be_requested_is_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(EndpointError, match=why):
        parse_endpoint(url)


def test_two_urls_with_the_same_scheme_host_and_port_have_one_origin() -> None:
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


def goes_through(url: str, **environ: str) -> str:
    found = proxy_for(parse_endpoint(url), environ)
    return found.shown() if found else "direct"


def test_each_scheme_has_its_variable_in_either_case() -> None:
    assert goes_through("http://a/", http_proxy=PROXY) == PROXY
    assert goes_through("http://a/", HTTP_PROXY=PROXY) == PROXY
    assert goes_through("https://a/", http_proxy=PROXY) == "direct"
    assert goes_through("https://a/", https_proxy="proxy:3128") == PROXY
    assert goes_through("https://a/", ALL_PROXY=PROXY) == PROXY
    assert goes_through("http://a/", http_proxy="http://first:1", HTTP_PROXY="http://second:2") == "http://first:1"


@pytest.mark.parametrize("url", ["http://localhost/", "http://a.localhost/", "http://127.1.2.3/", "http://[::1]/"])
def test_loopback_never_goes_through_a_proxy(url: str) -> None:
    assert goes_through(url, http_proxy=PROXY) == "direct"


@pytest.mark.parametrize(
    ("no_proxy", "url", "exempt"),
    [
        ("*", "http://a/", True),
        ("example.com", "http://example.com/", True),
        ("example.com", "http://boot.example.com/", True),
        ("example.com", "http://badexample.com/", False),
        (".example.com", "http://boot.example.com/", True),
        (".example.com", "http://example.com/", False),
        ("*.example.com", "http://boot.example.com/", True),
        ("example.com:8080", "http://example.com:8080/", True),
        ("example.com:8080", "http://example.com/", False),
        ("10.0.0.0/8", "http://10.1.2.3/", True),
        ("10.0.0.0/8", "http://11.1.2.3/", False),
        ("10.0.0.0/8", "http://host/", False),
        ("fd00::/8", "http://[fd00::1]/", True),
        ("[fd00::1]", "http://[fd00::1]/", True),
        ("192.0.2.1, other", "http://192.0.2.1/", True),
        ("EXAMPLE.COM", "http://example.com/", True),
        ("", "http://a/", False),
        (",.,", "http://a/", False),
        ("not/a/network", "http://a/", False),
    ],
)
def test_no_proxy_exempts_domains_networks_and_ports(no_proxy: str, url: str, exempt: bool) -> None:
    assert goes_through(url, http_proxy=PROXY, no_proxy=no_proxy) == ("direct" if exempt else PROXY)


@pytest.mark.parametrize("value", ["https://proxy:1", "socks5://proxy:1", "http://", "http://proxy:x"])
def test_the_error_for_an_unusable_proxy_names_its_variable(value: str) -> None:
    with pytest.raises(BadParameter, match="http_proxy"):
        goes_through("http://a/", http_proxy=value)
