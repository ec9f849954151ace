"""The client's address behind proxies: the nearest untrusted one, and never one that the client invented."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.asgi import Receive, Scope, Send
from bootgrant.asgi.client_address import AllowedNetworks, TrustedProxies, client_address

pytestmark = pytest.mark.anyio
PROXIES = AllowedNetworks([ip_network("10.0.0.0/24"), ip_network("fd00::/64")])


async def seen(peer: str, *headers: tuple[bytes, bytes], proxies: AllowedNetworks = PROXIES) -> str:
    addresses: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        addresses.append(str(client_address(scope)))

    async def receive() -> Scope:
        raise AssertionError

    async def send(_message: Scope) -> None:
        raise AssertionError

    await TrustedProxies(proxies).before(app)({"type": "http", "client": (peer, 1), "headers": headers}, receive, send)
    return addresses[0]


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (b"192.0.2.7", "192.0.2.7"),
        (b"6.6.6.6, 192.0.2.7", "192.0.2.7"),
        (b"6.6.6.6, 192.0.2.7, 10.0.0.9", "192.0.2.7"),
        (b"10.0.0.8, 10.0.0.9", "10.0.0.8"),
        (b"6.6.6.6, nonsense, 10.0.0.9", "10.0.0.9"),
        (b"192.0.2.7:4711", "192.0.2.7"),
        (b"[2001:db8::7]:4711", "2001:db8::7"),
        (b"2001:db8::7", "2001:db8::7"),
        (b"", "10.0.0.1"),
        (b"unknown", "10.0.0.1"),
    ],
)
async def test_x_forwarded_for_is_read_from_the_right(value: bytes, address: str) -> None:
    assert await seen("10.0.0.1", (b"x-forwarded-for", value)) == address


@pytest.mark.parametrize(
    ("value", "address"),
    [
        (b"for=192.0.2.7;proto=https;by=10.0.0.1", "192.0.2.7"),
        (b'for=6.6.6.6, for="192.0.2.7:80"', "192.0.2.7"),
        (b'For="[2001:db8::7]:4711"', "2001:db8::7"),
        (b"for=_hidden", "10.0.0.1"),
        (b"for=6.6.6.6;host=a;proto=http , for=10.0.0.9 ; proto=https", "6.6.6.6"),
        (b'for=192.0.2.7;host="a,for=6.6.6.6"', "192.0.2.7"),
        (b'for=192.0.2.7;host="a;for=6.6.6.6"', "192.0.2.7"),
        (b"for=192.0.2.7;host=a;for=6.6.6.6", "10.0.0.1"),
        (b"for=6.6.6.6, proto=https", "10.0.0.1"),
        (b'for=6.6.6.6;x=", for=192.0.2.7;host="boot"', "10.0.0.1"),
        (b'for=6.6.6.6;x="', "10.0.0.1"),
        (b"for=6.6.6.6,", "10.0.0.1"),
        (b"for=6.6.6.6;", "10.0.0.1"),
        (b"6.6.6.6", "10.0.0.1"),
    ],
)
async def test_forwarded_is_understood(value: bytes, address: str) -> None:
    assert await seen("10.0.0.1", (b"forwarded", value)) == address


async def test_an_untrusted_peer_cannot_set_its_address() -> None:
    assert await seen("203.0.113.9", (b"x-forwarded-for", b"10.20.0.11")) == "203.0.113.9"


async def test_without_trusted_proxies_the_headers_are_ignored() -> None:
    assert await seen("10.0.0.1", (b"x-forwarded-for", b"1.2.3.4"), proxies=AllowedNetworks([])) == "10.0.0.1"


async def test_repeated_headers_form_one_chain() -> None:
    headers = ((b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"192.0.2.7"))
    assert await seen("10.0.0.1", *headers) == "192.0.2.7"


async def test_an_unclosed_quote_in_one_header_does_not_affect_the_next() -> None:
    headers = ((b"forwarded", b'for=6.6.6.6;x="'), (b"forwarded", b'for=192.0.2.7;host="boot"'))
    assert await seen("10.0.0.1", *headers) == "192.0.2.7"


@given(value=st.binary(max_size=100))
async def test_any_header_gives_an_address(value: bytes) -> None:
    for name in (b"x-forwarded-for", b"forwarded"):
        assert await seen("10.0.0.1", (name, value)) != "None"
