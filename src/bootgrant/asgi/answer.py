"""Whole answers: JSON for OAuth clients (RFC 6749 section 5), plain ASCII for a machine's console."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from bootgrant.asgi.types import Send

Headers = tuple[tuple[bytes, bytes], ...]
_NEVER_STORED: Headers = (
    (b"cache-control", b"no-store"),
    (b"pragma", b"no-cache"),
    (b"x-content-type-options", b"nosniff"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers beside length and caching, and the whole body."""

    status: int
    body: bytes
    headers: Headers = ()

    async def send(self, send: Send) -> None:
        length = (b"content-length", str(len(self.body)).encode())
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [*self.headers, *_NEVER_STORED, length],
            }
        )
        await send({"type": "http.response.body", "body": self.body})


def json_answer(status: int, members: Mapping[str, object], headers: Headers = ()) -> Answer:
    """A JSON object. Integers stay integers: Talos refuses ``600.0``."""
    body = json.dumps(members, separators=(",", ":")).encode()
    return Answer(status, body, ((b"content-type", b"application/json"), *headers))


def plain_answer(status: int, text: str, headers: Headers = ()) -> Answer:
    """A line of ASCII. Talos shows its first 32 bytes on the console."""
    body = text.encode("ascii", "replace") + b"\n"
    return Answer(status, body, ((b"content-type", b"text/plain; charset=us-ascii"), *headers))
