"""The download: repeated while that can help, with the token for nobody else."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable

import pytest

from bootgrant.acquire.errors import BadConfig, BadParameter, DownloadFailed, Unreachable
from bootgrant.acquire.expect import check_config
from bootgrant.acquire.http.download import BAD_CONFIG_ATTEMPTS, MAX_REDIRECTS, Download, TokenRefused, fetch
from bootgrant.acquire.http.transport import Transport
from bootgrant.acquire.options import Expect
from bootgrant.wire.secret import Secret
from support.answering_server import RESET, AnsweringServer, Asked, drip, http, reply
from support.screen import QuickClock, Screen

CONFIG = b"version: v1alpha1\n"
TOKEN = "Bearer s3cret"


def checked(content: bytes) -> bytes:
    check_config(content, Expect.ANY)
    return content


def get(
    url: str,
    *,
    token: str | None = TOKEN,
    seconds: float = 60.0,
    attempt: float = 10.0,
    screen: Screen | None = None,
    clock: QuickClock | None = None,
    check: Callable[[bytes], bytes] = checked,
) -> bytes | TokenRefused:
    clock = clock or QuickClock()
    secret = Secret(token) if token else None
    download = Download(url, secret, clock.steady() + seconds, check, attempt, max_size=1 << 16)
    return fetch(download, Transport(), screen or Screen(), clock)


def in_turn(*answers: bytes) -> Callable[[Asked], bytes]:
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def test_the_configuration_comes_with_the_token() -> None:
    with AnsweringServer(lambda _: http(200, CONFIG)) as server:
        assert get(f"{server.url}/config?uuid=U") == CONFIG
    assert server.asked[0].target == "/config?uuid=U"
    assert server.asked[0].headers["authorization"] == TOKEN


def test_without_oauth_no_token_is_sent() -> None:
    with AnsweringServer(lambda _: http(200, CONFIG)) as server:
        assert get(f"{server.url}/config", token=None) == CONFIG
    assert "authorization" not in server.asked[0].headers


def test_a_compressed_answer_is_unpacked() -> None:
    with AnsweringServer(lambda _: http(200, gzip.compress(CONFIG), Content_Encoding="gzip")) as server:
        assert get(f"{server.url}/config") == CONFIG


@pytest.mark.parametrize("status", [403, 404, 429, 500, 502, 503])
def test_a_download_is_repeated_after_a_status_that_may_change(status: int) -> None:
    screen = Screen()
    with AnsweringServer(in_turn(http(status, b"no"), http(status, b"no"), http(200, CONFIG))) as server:
        assert get(f"{server.url}/config", screen=screen) == CONFIG
    assert len(server.asked) == 3
    assert len(screen.warnings) == 1, "the same failure is reported once"
    assert str(status) in screen.warnings[0]


def test_pauses_grow_to_a_limit_and_retry_after_is_obeyed() -> None:
    clock = QuickClock()
    refusals = [http(503)] * 9
    with AnsweringServer(in_turn(*refusals, http(503, Retry_After="100"), http(200, CONFIG))) as server:
        assert get(f"{server.url}/config", seconds=3600, clock=clock) == CONFIG
    assert clock.slept[:4] == pytest.approx([0.375, 0.75, 1.5, 3.0], abs=0.02)
    assert max(clock.slept[:9]) <= 30.0
    assert round(clock.slept[9]) == 100


def test_a_download_is_repeated_after_a_broken_connection() -> None:
    answers = [[RESET], [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\ncut"], [http(200, CONFIG)]]
    with AnsweringServer(lambda _: answers.pop(0)) as server:
        assert get(f"{server.url}/config") == CONFIG


def test_the_final_error_is_the_last_failure() -> None:
    with (
        AnsweringServer(lambda _: reply(404, {"detail": "no machine file for U"})) as server,
        pytest.raises(DownloadFailed, match="no machine file for U"),
    ):
        get(f"{server.url}/config", seconds=5)
    with pytest.raises(Unreachable):
        get(f"{server.url}/config", seconds=5)


def test_a_slow_download_ends_with_the_attempt_and_the_timeout() -> None:
    stop = threading.Event()
    with AnsweringServer(lambda _: drip(b"x", 0.05, stop)) as server, pytest.raises(Unreachable, match="in time"):
        get(f"{server.url}/config", seconds=1.5, attempt=0.5)
    stop.set()


@pytest.mark.parametrize("status", [400, 405, 410, 414])
def test_a_status_that_will_not_change_ends_the_download_at_once(status: int) -> None:
    with AnsweringServer(lambda _: http(status)) as server, pytest.raises(DownloadFailed, match=str(status)):
        get(f"{server.url}/config")
    assert len(server.asked) == 1


def test_a_refused_token_is_reported_to_the_caller() -> None:
    with AnsweringServer(lambda _: http(401)) as server:
        outcome = get(f"{server.url}/config")
    assert isinstance(outcome, TokenRefused)
    assert "401" in outcome.error.what


def test_a_server_that_requires_a_token_ends_a_download_without_one() -> None:
    with AnsweringServer(in_turn(http(401))) as server, pytest.raises(DownloadFailed, match="client_id"):
        get(f"{server.url}/config", token=None)
    assert len(server.asked) == 1


def test_an_empty_configuration_is_fetched_a_few_times_and_then_refused() -> None:
    for answer in (http(200), http(204), http(200, b"  \n")):
        with AnsweringServer(in_turn(answer)) as server, pytest.raises(BadConfig, match="empty"):
            get(f"{server.url}/config")
        assert len(server.asked) == BAD_CONFIG_ATTEMPTS


def test_a_configuration_that_is_being_written_is_fetched_again() -> None:
    with AnsweringServer(in_turn(http(200), http(200, CONFIG))) as server:
        assert get(f"{server.url}/config") == CONFIG


def test_a_hundred_megabytes_are_refused_without_reading_them() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
    with AnsweringServer(lambda _: head) as server, pytest.raises(DownloadFailed, match="larger than"):
        get(f"{server.url}/config")


def test_a_redirect_on_the_same_server_keeps_the_token() -> None:
    with AnsweringServer(
        lambda asked: http(200, CONFIG) if asked.target == "/new" else http(302, Location="/new")
    ) as server:
        assert get(f"{server.url}/config") == CONFIG
    assert server.asked[1].headers["authorization"] == TOKEN


def test_a_redirect_to_another_server_is_followed_without_the_token() -> None:
    with AnsweringServer(lambda _: http(200, CONFIG)) as other:
        with AnsweringServer(lambda _: http(302, Location=f"{other.url}/signed?x=1")) as server:
            assert get(f"{server.url}/config") == CONFIG
        assert "authorization" not in other.asked[0].headers


def test_only_the_first_server_gets_the_token() -> None:
    """A different port is a different server, also on the way back."""
    with AnsweringServer(lambda asked: http(200, CONFIG)) as other:
        back = AnsweringServer(lambda _: http(302, Location=f"{other.url}/b"))
        with back, AnsweringServer(lambda _: http(302, Location=f"{back.url}/a")) as server:
            assert get(f"{server.url}/config") == CONFIG
        assert "authorization" not in back.asked[0].headers
    assert "authorization" not in other.asked[0].headers


def test_a_redirect_loop_ends_at_once() -> None:
    with AnsweringServer(lambda _: http(302, Location="/config")) as server:
        with pytest.raises(DownloadFailed, match="redirects more than"):
            get(f"{server.url}/config")
        assert len(server.asked) == MAX_REDIRECTS + 1


@pytest.mark.parametrize("location", ["ftp://x/", "//", "http://[::1", ""])
def test_a_redirect_to_an_invalid_url_ends_with_an_error(location: str) -> None:
    answer = http(302, Location=location) if location else http(302)
    with AnsweringServer(lambda _: answer) as server, pytest.raises(DownloadFailed):
        get(f"{server.url}/config")


@pytest.mark.parametrize("url", ["", "http://${hostname}/", "mailto:x"])
def test_an_invalid_url_is_a_bad_parameter(url: str) -> None:
    with pytest.raises(BadParameter, match=r"talos\.config"):
        get(url)


def test_the_servers_explanation_is_quoted_and_cut() -> None:
    for body, shown in ((b"boom " * 50, "boom boom boom boom boom boom bo"), (b"", "status 410"), (b"\xff", "410")):
        with AnsweringServer(in_turn(http(410, body))) as server, pytest.raises(DownloadFailed) as caught:
            get(f"{server.url}/config")
        assert shown in caught.value.what
        assert len(caught.value.what) < 150


def test_no_line_shows_the_token() -> None:
    screen = Screen()
    with AnsweringServer(lambda _: http(500, b"x")) as server, pytest.raises(DownloadFailed) as caught:
        get(f"{server.url}/config", seconds=3, screen=screen)
    assert "s3cret" not in " ".join([*screen.lines, str(caught.value), repr(caught.value)])
