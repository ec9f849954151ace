"""The configuration over HTTP: with the token, tried again while that can help, never more than was asked for.

Redirects are followed for a GET; what proves who this machine is goes to no other origin (RFC 6454), and nothing that
began with https continues without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urljoin

from bootgrant.acquire.clock import Clock
from bootgrant.acquire.cmdline.settings import CONFIG
from bootgrant.acquire.console import Console
from bootgrant.acquire.errors import AcquireError, BadConfig, DownloadFailed
from bootgrant.acquire.flow.provider import USER_AGENT, basic, retry_after, unreachable
from bootgrant.acquire.http.dial import TransportError, Trouble
from bootgrant.acquire.http.endpoint import Endpoint, EndpointError, endpoint_of, parse_endpoint
from bootgrant.acquire.http.transport import CertificateError, Headers, Request, Response, Transport
from bootgrant.wire import limits
from bootgrant.wire.secret import Secret

MAX_REDIRECTS: Final = 10
FIRST_PAUSE: Final = 0.5
MAX_PAUSE: Final = 30.0
MAX_RETRY_AFTER: Final = 300.0
BAD_CONFIG_ATTEMPTS: Final = 4
"""Times that a configuration which is not one is fetched: it may be in the middle of being written."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HOPELESS: Final = frozenset({400, 405, 410, 411, 414, 431, 501, 505})
_REMIND: Final = 60.0
_MAX_EXPLANATION: Final = 8192
_MAX_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """The server does not take the token (status 401): only a new authorization can help. ``error`` says it."""

    error: DownloadFailed


@dataclass(frozen=True, slots=True)
class Download:
    """One download. ``authorization`` is the whole header value; times in seconds, ``ends_at`` on the steady clock."""

    url: str
    authorization: Secret | None
    ends_at: float
    attempt_timeout: float = 180.0
    max_size: int = limits.CONFIG


@dataclass(frozen=True, slots=True)
class _Again:
    """This attempt failed and the next may not; ``at_least`` seconds later."""

    error: AcquireError
    at_least: float = 0.0


def fetch(
    download: Download, transport: Transport, console: Console, clock: Clock, check: Callable[[bytes], bytes]
) -> bytes | TokenRefused:
    """The configuration, once ``check`` has returned it. Tries again, with growing pauses, until ``ends_at``.

    Raises the last attempt's error when time is up or when it cannot get better: Unreachable, TlsFailed,
    DownloadFailed, BadConfig, BadParameter.
    """
    endpoint = endpoint_of(download.url, CONFIG)
    attempts = _Attempts(download, console, clock)
    while True:
        deadline = min(clock.steady() + download.attempt_timeout, download.ends_at)
        outcome = _attempt(download, endpoint, transport, deadline, check)
        if not isinstance(outcome, _Again):
            return outcome
        attempts.failed(outcome)


class _Attempts:
    """Counts failures, pauses between them and tells about them; ends it when time is up."""

    def __init__(self, download: Download, console: Console, clock: Clock) -> None:
        self._ends_at = download.ends_at
        self._console = console
        self._clock = clock
        self._failures = 0
        self._bad_configs = 0
        self._told = ""
        self._told_at = 0.0

    def failed(self, again: _Again) -> None:
        self._bad_configs += isinstance(again.error, BadConfig)
        backoff = min(MAX_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures, 16)) * (0.5 + self._clock.chance() / 2)
        pause = max(backoff, min(again.at_least, MAX_RETRY_AFTER))
        self._failures += 1
        now = self._clock.steady()
        if now + pause >= self._ends_at or self._bad_configs >= BAD_CONFIG_ATTEMPTS:
            raise again.error
        if again.error.what != self._told or now - self._told_at >= _REMIND:
            self._told, self._told_at = again.error.what, now
            self._console.warning(f"{again.error.what}, trying again in {pause:.1f} s")
        self._clock.sleep_until(now + pause)


def _attempt(
    download: Download,
    endpoint: Endpoint,
    transport: Transport,
    deadline: float,
    check: Callable[[bytes], bytes],
) -> bytes | TokenRefused | _Again:
    here = endpoint
    try:
        for _ in range(MAX_REDIRECTS + 1):
            headers = _headers(download, here, trusted=here.origin == endpoint.origin)
            answer = transport.exchange(Request("GET", here, headers), deadline, max_body=download.max_size)
            if answer.status not in _REDIRECTS:
                return _judge(answer, here, check, authorized=download.authorization is not None)
            here = _redirected(here, answer)
    except CertificateError as error:
        raise error.error from error
    except TransportError as error:
        if error.trouble is Trouble.TOO_LARGE:
            raise DownloadFailed(f"{here.shown()}: {error.what}", "check talos.config, or raise --max-size") from error
        return _Again(unreachable(error, here))
    raise DownloadFailed(
        f"{endpoint.shown()} redirects more than {MAX_REDIRECTS} times", "look for a circle on the server"
    )


def _headers(download: Download, endpoint: Endpoint, *, trusted: bool) -> Headers:
    authorization = ""
    if trusted and download.authorization is not None:
        authorization = download.authorization.reveal()
    elif endpoint.user is not None:
        authorization = basic(endpoint.user, endpoint.password)
    return (
        ("Host", endpoint.host_header),
        ("User-Agent", USER_AGENT),
        ("Accept", "*/*"),
        *((("Authorization", authorization),) if authorization else ()),
        ("Accept-Encoding", "gzip"),
        ("Connection", "close"),
    )


def _redirected(here: Endpoint, answer: Response) -> Endpoint:
    try:
        there = parse_endpoint(urljoin(f"{here.shown()}{here.target}", answer.header("location")))
    except (EndpointError, ValueError):
        raise DownloadFailed(f"{here.shown()} redirects to something that is no URL", "look at the server") from None
    if here.scheme == "https" and there.scheme == "http":
        raise DownloadFailed(
            f"{here.shown()} redirects to {there.shown()}, which is not protected", "redirect to https"
        )
    return there


def _judge(
    answer: Response, endpoint: Endpoint, check: Callable[[bytes], bytes], *, authorized: bool
) -> bytes | TokenRefused | _Again:
    if answer.status == 200:
        try:
            return check(answer.body)
        except BadConfig as error:
            return _Again(error)
    if answer.status == 204:
        return _Again(BadConfig("the configuration is empty", "put the machine's configuration on the server"))
    refusal = _refusal(answer, endpoint)
    if answer.status == 401 and authorized:
        return TokenRefused(refusal)
    if answer.status in _HOPELESS or answer.status == 401:
        raise refusal
    return _Again(refusal, retry_after(answer))


def _refusal(answer: Response, endpoint: Endpoint) -> DownloadFailed:
    said = _explanation(answer.body)
    quoted = f', saying "{said}"' if said else ""
    advice = {
        401: "the URL needs a token: set talos.config.oauth.client_id",
        403: "look at the server's log: this machine may not have this configuration",
        404: "check talos.config, and whether the server has a configuration for this machine",
    }
    return DownloadFailed(
        f"{endpoint.shown()} answers with status {answer.status}{quoted}",
        advice.get(answer.status, "look at the server's log"),
    )


def _explanation(body: bytes) -> str:
    """The reason in an error's body: a description where it is JSON, else the beginning, as Talos shows it."""
    try:
        answer = json.loads(body[:_MAX_EXPLANATION])
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        for name in ("error_description", "detail", "message", "error"):
            if isinstance(text := answer.get(name), str) and text:
                return text[:_MAX_SHOWN].encode("utf-8", "replace").decode()
    return body[: limits.CONSOLE_REASON].decode("utf-8", "replace").strip()
