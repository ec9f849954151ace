"""Which proxy a request goes through."""

from __future__ import annotations

import pytest

from bootgrant.acquire.errors import BadParameter
from bootgrant.acquire.http.endpoint import parse_endpoint
from bootgrant.acquire.http.proxy import proxy_for

PROXY = "http://proxy:3128"


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
def test_this_machine_is_never_behind_a_proxy(url: str) -> None:
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
def test_a_proxy_that_cannot_be_used_is_refused_by_the_name_of_its_variable(value: str) -> None:
    with pytest.raises(BadParameter, match="http_proxy"):
        goes_through("http://a/", http_proxy=value)
