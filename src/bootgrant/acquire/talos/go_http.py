"""Requests as Go's ``net/http`` sends them: its headers and their order, its redirects, its error texts."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urljoin

from bootgrant.acquire.flow.values import NEVER
from bootgrant.acquire.http.dial import TransportError, Trouble
from bootgrant.acquire.http.endpoint import DEFAULT_PORTS, Endpoint
from bootgrant.acquire.http.transport import Headers, Request, Response, Transport, basic
from bootgrant.acquire.talos.flow import GoError
from bootgrant.wire.go_text import quote
from bootgrant.wire.go_url import GoUrl, UrlError, parse_url

MAX_REDIRECTS: Final = 10
_AGENT: Final = ("User-Agent", "Go-http-client/1.1")
_TAIL: Final = (("Accept-Encoding", "gzip"), ("Connection", "close"))
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_BODY_KEPT: Final = frozenset({307, 308})
_CONTROL: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f]")


class DeadlineError(Exception):
    """The deadline of Go's context passed during a request."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of ``http.Client.Do``. ``headers`` are those that the program sets; Go adds others."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""


def send(transport: Transport, call: Call, *, deadline: float = NEVER, max_body: int) -> Response:
    """Send, follow redirects and return the answer.

    Raises GoError with Go's text, DeadlineError, and TransportError for a body over ``max_body`` (Go has no limit).
    """
    op = call.method.capitalize()
    try:
        url = parse_url(call.url)
    except UrlError as error:
        raise GoError(str(error)) from error
    step = _Step(call.method, url, call.headers, call.body)
    location = ""
    for _ in range(MAX_REDIRECTS):
        answer = _once(transport, step, op, deadline, max_body)
        location = answer.header("location")
        if answer.status not in _REDIRECTS or not location:
            return answer
        step = _next(step, answer)
    raise GoError(f"{op} {quote(location)}: stopped after {MAX_REDIRECTS} redirects")


@dataclass(frozen=True, slots=True)
class _Step:
    method: str
    url: GoUrl
    headers: Headers
    body: bytes
    referer: str = ""


def _once(transport: Transport, step: _Step, op: str, deadline: float, max_body: int) -> Response:
    where = f"{op} {quote(_without_password(step.url))}"
    try:
        request = _request(step)
        return transport.exchange(request, deadline, max_body=max_body)
    except GoError as error:
        raise GoError(f"{where}: {error}") from error
    except TransportError as error:
        if error.trouble is Trouble.TOO_LARGE:
            raise
        if error.trouble is Trouble.TIMEOUT and deadline < NEVER and error.peer and error.local:
            raise DeadlineError from error
        raise GoError(f"{where}: {_words(error)}") from error


def _request(step: _Step) -> Request:
    url = step.url
    if url.scheme not in DEFAULT_PORTS:
        raise GoError(f"unsupported protocol scheme {quote(url.scheme)}")
    if not url.host:
        raise GoError("http: no Host in request URL")
    own = dict(step.headers)
    if url.user is not None and "Authorization" not in own:
        own["Authorization"] = basic(url.user, url.password or "")
    if step.referer:
        own["Referer"] = step.referer
    for name, value in own.items():
        if _CONTROL.search(value):
            raise GoError(f"net/http: invalid header field value for {quote(name)}")
    length = (("Content-Length", str(len(step.body))),) if step.body else ()
    host = ("Host", re.sub(r"%[^\]]*", "", url.host))
    return Request(step.method, _endpoint(url), (host, _AGENT, *length, *sorted(own.items()), *_TAIL), step.body)


def _endpoint(url: GoUrl) -> Endpoint:
    host = url.hostname()
    port = url.host.rpartition(":")[2] if re.search(r":\d+$", url.host) else ""
    target = url.escaped_path() or "/"
    if url.raw_query or url.force_query:
        target += f"?{url.raw_query}"
    return Endpoint(url.scheme, host, int(port or DEFAULT_PORTS[url.scheme]), target, url.user, url.password or "")


def _next(step: _Step, answer: Response) -> _Step:
    """The request after a redirect: POST becomes GET for some statuses; only subdomains of the host get secrets."""
    location = answer.header("location")
    try:
        url = parse_url(urljoin(str(step.url), location))
    except (UrlError, ValueError) as error:
        raise GoError(f"failed to parse Location header {quote(location)}: {error}") from error
    downgraded = (step.url.scheme, url.scheme) == ("https", "http")
    referer = "" if downgraded else str(replace(step.url, user=None, password=None))
    headers = step.headers
    if url.hostname() != step.url.hostname() and not url.hostname().endswith(f".{step.url.hostname()}"):
        headers = tuple(header for header in headers if header[0] != "Authorization")
    if answer.status in _BODY_KEPT:
        return replace(step, url=url, headers=headers, referer=referer)
    headers = tuple(header for header in headers if header[0] != "Content-Type")
    method = "GET" if step.method == "POST" else step.method
    return _Step(method, url, headers, b"", referer)


def _without_password(url: GoUrl) -> str:
    """As stripPassword in ``net/http``."""
    return str(url) if url.password is None else str(replace(url, password="xxxxx")).replace(":xxxxx@", ":***@", 1)  # noqa: S106


def _words(error: TransportError) -> str:
    """Go's text for a failed connection, or ours for the failures that no recording has."""
    peer = error.peer
    texts = {
        Trouble.REFUSED: f"dial tcp {peer}: connect: connection refused",
        Trouble.UNREACHABLE: f"dial tcp {peer}: connect: {error.what}",
        Trouble.TIMEOUT: f"dial tcp {peer}: i/o timeout",
        Trouble.NAME: f"dial tcp: lookup {peer}: no such host",
        Trouble.RESET: f"read tcp {error.local}->{peer}: read: connection reset by peer",
        Trouble.CLOSED: "EOF",
        Trouble.HANDSHAKE_TIMEOUT: "net/http: TLS handshake timeout",
    }
    return texts.get(error.trouble, error.what)
