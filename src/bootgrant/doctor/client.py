"""HTTP requests as a Talos node sends them, with the time that each took."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urljoin

from bootgrant import __version__
from bootgrant.acquire.http.endpoint import Endpoint, EndpointError, parse_endpoint
from bootgrant.acquire.http.transport import Headers, Request, Response, Transport
from bootgrant.wire.device_flow import FORM_TYPE
from bootgrant.wire.go_text import printable
from bootgrant.wire.limits import CONSOLE_REASON

USER_AGENT: Final = f"bootgrant-doctor/{__version__}"
_LARGEST: Final = 1 << 20
_MOST_HOPS: Final = 10
_KEEPS_METHOD: Final = (307, 308)
_FOLLOWED: Final[Mapping[str, tuple[int, ...]]] = {"POST": _KEEPS_METHOD, "GET": (301, 302, 303, *_KEEPS_METHOD)}


@dataclass(frozen=True, slots=True)
class Answer:
    """The last response, how long it took in seconds, and the URLs of its redirects (without query)."""

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
        """The body as a JSON object; empty if it is anything else."""
        try:
            found = json.loads(self.response.body.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}


class Client:
    """Uses no proxy, because a booting machine has none. Every method raises TransportError."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def post(self, endpoint: Endpoint, form: Mapping[str, str], *, authorization: str = "", limit: float) -> Answer:
        """Post a form. Only redirects that keep the method are followed."""
        body = urlencode(sorted(form.items()), errors="surrogateescape").encode()
        headers = (("Content-Type", FORM_TYPE), ("Content-Length", str(len(body))), ("Accept", "application/json"))
        return self._follow(Request("POST", endpoint, headers, body), authorization, limit)

    def get(self, endpoint: Endpoint, *, authorization: str = "", limit: float = 30.0) -> Answer:
        """Get a page or a file. Redirects are followed, without the authorization once they leave the host."""
        return self._follow(Request("GET", endpoint, (("Accept", "*/*"),)), authorization, limit)

    def _follow(self, request: Request, authorization: str, limit: float) -> Answer:
        begun, here, left_host = time.monotonic(), request.endpoint, False
        hops: list[str] = []
        while True:
            headers = (*_headers(here, "" if left_host else authorization), *request.headers)
            sent = Request(request.method, here, headers, request.body)
            response = self._transport.exchange(sent, begun + limit, max_body=_LARGEST)
            there = _location(here, response) if response.status in _FOLLOWED[request.method] else None
            if there is None or len(hops) == _MOST_HOPS:
                return Answer(response, time.monotonic() - begun, tuple(hops), left_host)
            left_host = left_host or there.host.lower() != request.endpoint.host.lower()
            hops.append(f"{there.shown()}{there.target.partition('?')[0]}")
            here = there


def _headers(here: Endpoint, authorization: str) -> Headers:
    return (
        ("Host", here.host_header),
        ("User-Agent", USER_AGENT),
        *((("Authorization", authorization),) if authorization else ()),
        ("Accept-Encoding", "gzip"),
        ("Connection", "close"),
    )


def _location(here: Endpoint, response: Response) -> Endpoint | None:
    try:
        return parse_endpoint(urljoin(f"{here.shown()}{here.target}", response.header("location")))
    except (EndpointError, ValueError):
        return None
