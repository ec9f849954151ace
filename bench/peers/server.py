"""What a measurement needs to know of a server under test."""

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
    """Paths below the server's URL, and the public client's id."""

    device: str
    token: str
    client_id: str


@dataclass(frozen=True, slots=True)
class Server:
    """One server under test. ``folder`` holds what bootgrant keeps; peers keep everything in memory."""

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

    def token_form(self, device_code: str) -> str:
        """As Talos sends it: everything sorted, the identity repeated."""
        return urlencode({"client_id": self.endpoints.client_id, "device_code": device_code, "grant_type": GRANT_TYPE})


Start = Callable[[], AbstractContextManager[Server]]
