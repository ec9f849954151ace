"""Requests as a Talos node sends them, and what came back with the time that it took."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urljoin

from bootgrant import __version__
from bootgrant.acquire.http.dial import TransportError, Trouble
from bootgrant.acquire.http.endpoint import Endpoint, EndpointError, parse_endpoint
from bootgrant.acquire.http.transport import Request, Response, Transport
from bootgrant.wire.device_flow import FORM_TYPE
from bootgrant.wire.go_text import printable
from bootgrant.wire.limits import CONSOLE_REASON

USER_AGENT: Final = f"bootgrant-doctor/{__version__}"
_LARGEST: Final = 1 << 20
_MOST_HOPS: Final = 10
_KEPT_METHOD: Final = (307, 308)


@dataclass(frozen=True, slots=True)
class Heard:
    """The last answer, the URLs that redirects led through (without query), and how long it took in seconds."""

    response: Response
    seconds: float
    hops: tuple[str, ...] = ()
    left_host: bool = False

    @property
    def status(self) -> int:
        return self.response.status

    def console(self) -> str:
        """What a Talos console shows of the body: its first 32 bytes (``pkg/download/download.go``)."""
        return printable(self.response.body[:CONSOLE_REASON].decode("utf-8", "replace"))

    def members(self) -> dict[str, object]:
        """The body as a JSON object; empty for anything else."""
        try:
            found = json.loads(self.response.body.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


class Asker:
    """Asks without proxies: a machine that boots has none. Every method raises TransportError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def post(self, endpoint: Endpoint, form: Mapping[str, str], *, authorization: str = "", limit: float) -> Heard:
        """A form; a redirect that keeps the method is followed, any other is the answer."""
        body = urlencode(sorted(form.items()), errors="surrogateescape").encode()
        more = (("Content-Type", FORM_TYPE), ("Content-Length", str(len(body))))
        return self._follow("POST", endpoint, authorization, more, body, limit)

    def get(self, endpoint: Endpoint, *, authorization: str = "", limit: float = 30.0) -> Heard:
        """A page or a file; redirects are followed, without the authorization on another host."""
        return self._follow("GET", endpoint, authorization, (), b"", limit)

    def _follow(
        self, method: str, endpoint: Endpoint, authorization: str, more: tuple[tuple[str, str], ...], body: bytes,
        limit: float,
    ) -> Heard:  # fmt: skip
        begun, here, left = time.monotonic(), endpoint, False
        hops: list[str] = []
        while True:
            headers = _headers(here, "" if left else authorization, more)
            answer = self._transport.exchange(Request(method, here, headers, body), begun + limit, max_body=_LARGEST)
            there = _next(here, answer, method)
            if there is None or len(hops) == _MOST_HOPS:
                return Heard(answer, time.monotonic() - begun, tuple(hops), left)
            left = left or there.host.lower() != endpoint.host.lower()
            hops.append(f"{there.shown()}{there.target.partition('?')[0]}")
            here = there


def _headers(endpoint: Endpoint, authorization: str, more: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return (
        ("Host", endpoint.host_header),
        ("User-Agent", USER_AGENT),
        *((("Authorization", authorization),) if authorization else ()),
        *more,
        ("Accept", "application/json" if more else "*/*"),
        ("Accept-Encoding", "gzip"),
        ("Connection", "close"),
    )


def _next(here: Endpoint, answer: Response, method: str) -> Endpoint | None:
    followed = _KEPT_METHOD if method == "POST" else (301, 302, 303, *_KEPT_METHOD)
    if answer.status not in followed:
        return None
    try:
        return parse_endpoint(urljoin(f"{here.shown()}{here.target}", answer.header("location")))
    except (EndpointError, ValueError):
        return None


def timed_out(error: TransportError) -> bool:
    """Whether nothing was wrong but that no answer came in time."""
    return error.trouble is Trouble.TIMEOUT
