"""Requests as Go sends them: headers, redirects, and the secrets that follow them."""

from __future__ import annotations

import time

import pytest

from bootgrant.acquire.http.transport import Response, Transport
from bootgrant.acquire.talos.flow import GoError
from bootgrant.acquire.talos.go_http import Call, DeadlineError, send
from support.answering_server import AnsweringServer, Asked, http

TOKEN = ("Authorization", "Bearer s3cret")
FORM = ("Content-Type", "application/x-www-form-urlencoded")


def call(method: str, url: str, *headers: tuple[str, str], body: bytes = b"", seconds: float = 10.0) -> Response:
    deadline = time.monotonic() + seconds
    return send(Transport(), Call(method, url, headers, body), deadline=deadline, max_body=1 << 20)


def complaint(method: str, url: str, *headers: tuple[str, str]) -> str:
    with pytest.raises(GoError) as caught:
        call(method, url, *headers)
    return str(caught.value)


def moved(status: int, to: str) -> bytes:
    return http(status, Location=to)


def test_headers_are_in_the_order_of_go() -> None:
    with AnsweringServer(lambda _: http(200)) as server:
        call("POST", f"{server.url}/t?x=${{uuid}}", FORM, ("Accept", "application/json"), body=b"a=1")
    names = [line.partition(b":")[0].decode() for line in server.asked[0].wire.split(b"\r\n")[1:-2]]
    assert names == ["Host", "User-Agent", "Content-Length", "Accept", "Content-Type", "Accept-Encoding", "Connection"]
    assert server.asked[0].target == "/t?x=${uuid}"


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_post_becomes_a_get_without_its_body(status: int) -> None:
    with AnsweringServer(lambda asked: http(200, b"x") if "new" in asked.target else moved(status, "/new")) as server:
        call("POST", f"{server.url}/old", FORM, TOKEN, body=b"secret=1")
    again = server.asked[1]
    assert (again.method, again.body, "content-type" in again.headers) == ("GET", b"", False)
    assert again.headers["authorization"] == TOKEN[1]
    assert again.headers["referer"] == f"{server.url}/old"


def test_a_307_sends_the_body_to_another_host_but_not_the_header() -> None:
    """A bug of the reference; the default mode refuses this redirect."""
    with AnsweringServer(lambda _: http(200), host="127.0.0.2") as other:
        with AnsweringServer(lambda _: moved(307, f"{other.url}/steal")) as server:
            call("POST", f"{server.url}/t", FORM, TOKEN, body=b"secret=1")
        assert other.asked[0].body == b"secret=1"
        assert "authorization" not in other.asked[0].headers


def test_another_port_of_the_same_host_gets_the_token() -> None:
    with AnsweringServer(lambda _: http(200)) as other:
        with AnsweringServer(lambda _: moved(302, f"{other.url}/x")) as server:
            call("GET", f"{server.url}/config", TOKEN)
        assert other.asked[0].headers["authorization"] == TOKEN[1]


def test_the_tenth_redirect_is_an_error() -> None:
    with AnsweringServer(lambda _: moved(302, "/round")) as server:
        assert complaint("GET", f"{server.url}/") == 'Get "/round": stopped after 10 redirects'
    assert len(server.asked) == 10


def test_user_and_password_become_a_header_and_are_masked_in_errors() -> None:
    with AnsweringServer(lambda _: http(200)) as server:
        call("GET", server.url.replace("//", "//us:pw@"))
        url = server.url
    assert server.asked[0].headers["authorization"] == "Basic dXM6cHc="
    error = complaint("GET", url.replace("//", "//us:pw@"))
    assert error.startswith(f'Get "{url.replace("//", "//us:***@")}": dial tcp ')
    assert error.endswith("connect: connection refused")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", 'Get "": unsupported protocol scheme ""'),
        ("ftp://h/x", 'Get "ftp://h/x": unsupported protocol scheme "ftp"'),
        ("http:///x", 'Get "http:///x": http: no Host in request URL'),
        ("http://h:x/", 'parse "http://h:x/": invalid port ":x" after host'),
        ("http://no.invalid/", 'Get "http://no.invalid/": dial tcp: lookup no.invalid: no such host'),
    ],
)  # fmt: skip
def test_a_url_that_cannot_be_requested_has_the_error_of_go(url: str, words: str) -> None:
    assert complaint("GET", url) == words


def test_a_header_with_a_line_break_is_refused() -> None:
    error = complaint("GET", "http://127.0.0.1:1/", ("Authorization", "Bearer a\nb"))
    assert error.endswith('net/http: invalid header field value for "Authorization"')


def test_a_missed_deadline_has_its_own_error() -> None:
    def never(_: Asked) -> list[bytes]:
        time.sleep(2.0)
        return []

    with AnsweringServer(never) as server, pytest.raises(DeadlineError):
        call("GET", server.url, seconds=0.3)
