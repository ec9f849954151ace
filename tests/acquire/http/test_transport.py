"""One exchange: limits on time and size whatever the server does, and nothing is re-encoded."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.acquire.http.dial import TransportError, Trouble
from bootgrant.acquire.http.endpoint import parse_endpoint
from bootgrant.acquire.http.transport import Request, Response, Transport
from support.answering_server import RESET, AnsweringServer, Asked, drip, http

LIMIT = 1 << 16


def exchange(url: str, seconds: float = 10.0, transport: Transport | None = None, body: bytes = b"") -> Response:
    endpoint = parse_endpoint(url)
    length = (("Content-Length", str(len(body))),) if body else ()
    headers = (("Host", endpoint.host_header), *length, ("Connection", "close"))
    request = Request("POST" if body else "GET", endpoint, headers, body)
    return (transport or Transport()).exchange(request, time.monotonic() + seconds, max_body=LIMIT)


def trouble(server: AnsweringServer, seconds: float = 10.0) -> TransportError:
    with pytest.raises(TransportError) as caught:
        exchange(f"{server.url}/", seconds)
    return caught.value


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.binary(max_size=100).map(lambda rest: b"HTTP/1.1 200 OK\r\n" + rest))
def test_arbitrary_bytes_are_an_answer_or_a_classified_failure(answer: bytes) -> None:
    with AnsweringServer(lambda _: [answer]) as server:
        try:
            assert exchange(f"{server.url}/").status
        except TransportError as error:
            assert error.trouble in {Trouble.CLOSED, Trouble.PROTOCOL, Trouble.TOO_LARGE}  # noqa: PT017


def test_an_answer_has_status_headers_and_body() -> None:
    with AnsweringServer(lambda _: http(201, b"hello", X_Thing="yes")) as server:
        answer = exchange(f"{server.url}/a")
    assert (answer.status, answer.body, answer.header("x-thing"), answer.header("other")) == (201, b"hello", "yes", "")


def test_the_target_is_sent_as_it_was_written() -> None:
    with AnsweringServer(lambda _: http(200)) as server:
        exchange(f'{server.url}/device/code?uuid=${{uuid}}&s=<"x">#frag')
        exchange(f"{server.url}/cönfig?ü=1")
    assert server.targets() == ['/device/code?uuid=${uuid}&s=<"x">', "/c%C3%B6nfig?%C3%BC=1"]


def test_a_body_is_sent_after_its_head() -> None:
    with AnsweringServer(lambda _: http(200)) as server:
        exchange(f"{server.url}/", body=b"a=1")
    assert (server.asked[0].method, server.asked[0].form) == ("POST", {"a": "1"})


def test_gzip_with_several_members_is_unpacked() -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two")
    with AnsweringServer(lambda _: http(200, packed, Content_Encoding="gzip")) as server:
        assert exchange(f"{server.url}/").body == b"one two"


def test_a_chunked_answer_is_put_together() -> None:
    chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    with AnsweringServer(lambda _: chunks) as server:
        assert exchange(f"{server.url}/").body == b"hello world"


def test_interim_answers_are_skipped_but_not_forever() -> None:
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    with AnsweringServer(lambda asked: interim * (3 if asked.target == "/few" else 99) + http(200, b"x")) as server:
        assert exchange(f"{server.url}/few").body == b"x"
        with pytest.raises(TransportError) as caught:
            exchange(f"{server.url}/many")
    assert caught.value.trouble is Trouble.PROTOCOL


def test_a_body_over_the_limit_is_refused_before_it_is_read() -> None:
    with AnsweringServer(lambda _: b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n") as server:
        assert trouble(server).trouble is Trouble.TOO_LARGE


def test_an_endless_body_is_cut_at_the_limit() -> None:
    def endless(_: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n\r\n"
        while True:
            yield b"x" * 4096

    with AnsweringServer(endless) as server:
        assert trouble(server).trouble is Trouble.TOO_LARGE


def test_a_small_body_that_unpacks_to_a_huge_one_is_refused() -> None:
    bomb = gzip.compress(b"\0" * (64 << 20))
    assert len(bomb) < LIMIT * 2
    with AnsweringServer(lambda _: http(200, bomb, Content_Encoding="gzip")) as server:
        assert trouble(server).trouble is Trouble.TOO_LARGE


@pytest.mark.parametrize("where", ["body", "head"])
def test_a_slow_answer_ends_at_the_deadline(where: str) -> None:
    stop = threading.Event()

    def slow(_: Asked) -> Iterator[bytes]:
        if where == "body":
            yield from drip(b"x", 0.05, stop)
        yield b"HTTP/1.1 200 OK\r\n"
        while not stop.wait(0.05):
            yield b"X: y\r\n"

    with AnsweringServer(slow) as server:
        started = time.monotonic()
        assert trouble(server, seconds=0.6).trouble is Trouble.TIMEOUT
        assert time.monotonic() - started < 3.0
    stop.set()


def test_an_endless_head_is_cut() -> None:
    def endless(_: Asked) -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        while True:
            yield b"X-Filler: " + b"y" * 4000 + b"\r\n"

    with AnsweringServer(endless) as server:
        assert trouble(server).trouble is Trouble.PROTOCOL


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"", Trouble.CLOSED),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Trouble.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", Trouble.PROTOCOL),
        (http(200, b"not gzip", Content_Encoding="gzip"), Trouble.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Trouble.PROTOCOL),
        (RESET, Trouble.RESET),
    ],
)
def test_an_unusable_answer_is_classified(answer: bytes, expected: Trouble) -> None:
    with AnsweringServer(lambda _: [answer]) as server:
        error = trouble(server)
    assert error.trouble is expected
    assert error.what


def test_a_closed_port_is_named_in_the_error() -> None:
    with AnsweringServer(lambda _: b"") as server:
        port = server.port
    with pytest.raises(TransportError) as caught:
        exchange(f"http://127.0.0.1:{port}/")
    assert (caught.value.trouble, caught.value.peer) == (Trouble.REFUSED, f"127.0.0.1:{port}")


def test_an_unknown_host_name_is_reported() -> None:
    with pytest.raises(TransportError) as caught:
        exchange("http://no-such-host.invalid/")
    assert caught.value.trouble is Trouble.NAME
    assert "no-such-host.invalid" in caught.value.what


def test_ipv6_and_its_zone_are_dialled_and_the_zone_is_not_sent() -> None:
    with AnsweringServer(lambda _: http(200, b"six"), host="::1") as server:
        assert exchange(f"{server.url}/").body == b"six"
        assert exchange(f"http://[::1%25lo]:{server.port}/").body == b"six"
    assert [asked.headers["host"] for asked in server.asked] == [f"[::1]:{server.port}"] * 2


def test_a_host_with_one_dead_address_is_reached_at_the_other() -> None:
    """localhost is ::1 and 127.0.0.1 on most systems; only one of them listens here."""
    with AnsweringServer(lambda _: http(200, b"four")) as server:
        assert exchange(f"http://localhost:{server.port}/").body == b"four"


def test_a_proxy_gets_the_whole_url_and_its_own_credentials() -> None:
    with AnsweringServer(lambda _: http(200, b"via")) as proxy:
        environ = {"http_proxy": f"http://me:pw@127.0.0.1:{proxy.port}"}
        answer = exchange("http://example.test:81/a?b", transport=Transport(environ=environ))
    assert answer.body == b"via"
    assert proxy.asked[0].target == "http://example.test:81/a?b"
    assert proxy.asked[0].headers["proxy-authorization"] == "Basic bWU6cHc="


def test_https_through_a_proxy_asks_for_a_tunnel_first() -> None:
    with AnsweringServer(lambda _: http(403)) as proxy:
        environ = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
        with pytest.raises(TransportError) as caught:
            exchange("https://example.test/", transport=Transport(environ=environ))
    assert caught.value.trouble is Trouble.PROXY
    assert "403" in caught.value.what
    assert (proxy.asked[0].method, proxy.asked[0].target) == ("CONNECT", "example.test:443")


def test_a_header_that_cannot_be_sent_is_refused() -> None:
    endpoint = parse_endpoint("http://127.0.0.1:1/")
    request = Request("GET", endpoint, (("Host", "x"), ("Authorization", "Bearer a\r\nEvil: yes")))
    with pytest.raises(TransportError) as caught:
        Transport().exchange(request, time.monotonic() + 1, max_body=1)
    assert caught.value.trouble is Trouble.PROTOCOL
