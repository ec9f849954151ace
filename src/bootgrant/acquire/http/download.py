"""The download of the configuration, with the token, repeated while that can help.

Redirects are followed, but the token goes to no other origin (RFC 6454), and never from https to http.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bootgrant.acquire.clock import Clock, backoff
from bootgrant.acquire.cmdline.settings import CONFIG
from bootgrant.acquire.console import Console, RepeatedWarning
from bootgrant.acquire.errors import AcquireError, BadConfig, DownloadFailed
from bootgrant.acquire.http.dial import TransportError, Trouble
from bootgrant.acquire.http.endpoint import Endpoint, EndpointError, endpoint_of, redirected
from bootgrant.acquire.http.transport import CertificateError, Response, Transport, basic, get, unreachable
from bootgrant.wire import limits
from bootgrant.wire.secret import Secret

MAX_REDIRECTS: Final = 10
FIRST_PAUSE: Final = 0.5
MAX_PAUSE: Final = 30.0
MAX_RETRY_AFTER: Final = 300.0
BAD_CONFIG_ATTEMPTS: Final = 4
"""How often to fetch a configuration that is not valid, because it may be in the middle of being written."""
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_HOPELESS: Final = frozenset({400, 405, 410, 411, 414, 431, 501, 505})
_MAX_EXPLANATION: Final = 8192
_MAX_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """The server rejected the token (status 401), so that only a new authorization can help. ``error`` explains it."""

    error: DownloadFailed


@dataclass(frozen=True, slots=True)
class Download:
    """One download. ``authorization`` is the whole header value; times are in seconds, ``ends_at`` on the steady clock.

    ``check`` returns the configuration as it will be delivered, or raises BadConfig.
    """

    url: str
    authorization: Secret | None
    ends_at: float
    check: Callable[[bytes], bytes]
    attempt_timeout: float = 180.0
    max_size: int = limits.CONFIG


@dataclass(frozen=True, slots=True)
class _Again:
    """This attempt failed; the next one, after ``at_least`` seconds, may succeed."""

    error: AcquireError
    at_least: float = 0.0


def fetch(download: Download, transport: Transport, console: Console, clock: Clock) -> bytes | TokenRefused:
    """Download the configuration and check it, with growing pauses between attempts, until ``ends_at``.

    Raises the last attempt's AcquireError at the end, or at once if another attempt cannot succeed.
    """
    endpoint = endpoint_of(download.url, CONFIG)
    warning = RepeatedWarning(console, clock)
    failures = bad_configs = 0
    while True:
        deadline = min(clock.steady() + download.attempt_timeout, download.ends_at)
        outcome = _attempt(download, endpoint, transport, deadline)
        if not isinstance(outcome, _Again):
            return outcome
        bad_configs += isinstance(outcome.error, BadConfig)
        pause = backoff(FIRST_PAUSE, MAX_PAUSE, failures, clock.chance())
        pause = max(pause, min(outcome.at_least, MAX_RETRY_AFTER))
        failures += 1
        now = clock.steady()
        if now + pause >= download.ends_at or bad_configs >= BAD_CONFIG_ATTEMPTS:
            raise outcome.error
        warning.warn(outcome.error.what, f"{outcome.error.what}, trying again in {pause:.1f} s")
        clock.sleep_until(now + pause)


def _attempt(
    download: Download, endpoint: Endpoint, transport: Transport, deadline: float
) -> bytes | TokenRefused | _Again:
    here = endpoint
    try:
        for _ in range(MAX_REDIRECTS + 1):
            request = get(here, accept="*/*", authorization=_authorization(download, here, endpoint))
            answer = transport.exchange(request, deadline, max_body=download.max_size)
            if answer.status not in _REDIRECTS:
                return _judge(download, answer, here)
            here = _redirected(here, answer)
    except CertificateError as error:
        raise error.error from error
    except TransportError as error:
        if error.trouble is Trouble.TOO_LARGE:
            raise DownloadFailed(f"{here.shown()}: {error.what}", "check talos.config, or raise --max-size") from error
        return _Again(unreachable(error, here))
    what = f"{endpoint.shown()} redirects more than {MAX_REDIRECTS} times"
    raise DownloadFailed(what, "look for a redirect loop on the server")


def _authorization(download: Download, here: Endpoint, first: Endpoint) -> str:
    if download.authorization is not None and here.origin == first.origin:
        return download.authorization.reveal()
    return "" if here.user is None else basic(here.user, here.password)


def _redirected(here: Endpoint, answer: Response) -> Endpoint:
    try:
        there = redirected(here, answer.header("location"))
    except EndpointError:
        raise DownloadFailed(f"{here.shown()} redirects to an invalid URL", "correct the redirect") from None
    if here.scheme == "https" and there.scheme == "http":
        what = f"{here.shown()} redirects to {there.shown()}, which is not protected"
        raise DownloadFailed(what, "redirect to https")
    return there


def _judge(download: Download, answer: Response, endpoint: Endpoint) -> bytes | TokenRefused | _Again:
    if answer.status in {200, 204}:
        try:
            return download.check(answer.body if answer.status == 200 else b"")
        except BadConfig as error:
            return _Again(error)
    refusal = _refusal(answer, endpoint)
    if answer.status == 401 and download.authorization is not None:
        return TokenRefused(refusal)
    if answer.status in _HOPELESS or answer.status == 401:
        raise refusal
    return _Again(refusal, answer.retry_after())


def _refusal(answer: Response, endpoint: Endpoint) -> DownloadFailed:
    explanation = _explanation(answer.body)
    quoted = f', saying "{explanation}"' if explanation else ""
    advice = {
        401: "the URL needs a token: set talos.config.oauth.client_id",
        403: "check the server's log for why this machine may not have this configuration",
        404: "check talos.config, and whether the server has a configuration for this machine",
    }
    what = f"{endpoint.shown()} answers with status {answer.status}{quoted}"
    return DownloadFailed(what, advice.get(answer.status, "check the server's log"))


def _explanation(body: bytes) -> str:
    """The reason in the body of an error: the description if it is JSON, otherwise its start, as Talos shows it."""
    try:
        answer = json.loads(body[:_MAX_EXPLANATION])
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        for name in ("error_description", "detail", "message", "error"):
            if isinstance(text := answer.get(name), str) and text:
                return text[:_MAX_SHOWN].encode("utf-8", "replace").decode()
    return body[: limits.CONSOLE_REASON].decode("utf-8", "replace").strip()
