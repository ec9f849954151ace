"""A server under test, as measurements use it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bench.processes import Running

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The paths of a server, and the id of its public client."""

    device: str
    token: str
    client_id: str


@dataclass(frozen=True, slots=True)
class Server:
    """A server under test. ``folder`` is the site of bootgrant; peers store everything in memory."""

    name: str
    running: Running
    endpoints: Endpoints
    folder: Path | None = None

    @property
    def url(self) -> str:
        parts = urlsplit(self.running.url)
        return f"{parts.scheme}://{parts.netloc}"

    def device_form(self, uuid: str) -> str:
        return urlencode({"client_id": self.endpoints.client_id, "uuid": uuid})


Start = Callable[[], AbstractContextManager[Server]]
