"""The normal form of origins, and where browsers allow passkeys."""

from __future__ import annotations

import pytest

from bootgrant.wire.origin import browser_origin, has_passkeys, origin_of


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://boot.example.org", True),
        ("https://boot.example.org:8443", True),
        ("https://bücher.example", True),
        ("http://localhost:8080", True),
        ("http://boot.example.org", False),
        ("https://10.0.0.1", False),
        ("https://[fd00::1]", False),
        ("http://127.0.0.1:8080", False),
    ],
)
def test_passkeys_are_available_where_browsers_allow_them(url: str, allowed: bool) -> None:
    assert has_passkeys(url) is allowed


@pytest.mark.parametrize(
    ("spelling", "browsers"),
    [
        ("https://BÜCHER.example", "https://xn--bcher-kva.example"),
        ("https://b%C3%BCcher.example.:443", "https://xn--bcher-kva.example"),
        ("https://XN--BCHER-KVA.example", "https://xn--bcher-kva.example"),
        ("https://bu\u0308cher。example", "https://xn--bcher-kva.example"),
        ("https://faß.example", "https://xn--fa-hia.example"),
        ("https://☃.example:8443", "https://xn--n3h.example:8443"),
        ("http://Boot.Example.org.:80", "http://boot.example.org"),
        ("http://boot_1.example.org:443", "http://boot_1.example.org:443"),
        ("http://[FD00:0:0:0:0:0:0:1]:8080", "http://[fd00::1]:8080"),
        ("http://[::ffff:10.20.0.1]", "http://[::ffff:a14:1]"),
        ("http://10.20.0.1:80", "http://10.20.0.1"),
    ],
)
def test_every_spelling_of_an_origin_has_the_form_that_browsers_use(spelling: str, browsers: str) -> None:
    assert browser_origin(spelling) == browsers
    assert origin_of(spelling) == origin_of(browsers)


@pytest.mark.parametrize(
    "url",
    ["null", "", "https://", "https://a:x", "https://[::1", "https://b%FFcher.example", "https://eve@boot.example"],
)
def test_what_is_no_origin_equals_none(url: str) -> None:
    assert origin_of(url) is None
