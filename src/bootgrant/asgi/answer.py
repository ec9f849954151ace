"""Whole answers: JSON for OAuth clients (RFC 6749 section 5), plain ASCII for a machine's console."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from bootgrant.asgi.types import Send

Headers = tuple[tuple[bytes, bytes], ...]
CLOSE: Final = (b"connection", b"close")
_NEVER_STORED: Headers = (
    (b"cache-control", b"no-store"),
    (b"pragma", b"no-cache"),
    (b"x-content-type-options", b"nosniff"),
)


class Answer:
    """Status, headers beside length and caching, and the whole body. Not changed once made."""

    __slots__ = ("_own", "_rest", "body", "status")

    def __init__(self, status: int, body: bytes, headers: Headers = ()) -> None:
        self.status = status
        self.body = body
        self._own = headers
        self._rest = b""

    @property
    def headers(self) -> Headers:
        """All of them."""
        return (*self._own, *_NEVER_STORED, (b"content-length", b"%d" % len(self.body)))

    @property
    def closes(self) -> bool:
        """Whether the connection is to end with it."""
        return CLOSE in self._own

    @property
    def rest(self) -> bytes:
        """Everything behind the status line, as it goes over the wire (RFC 9112); made once."""
        if not self._rest:
            self._rest = b"%bcontent-length: %d\r\n\r\n%b" % (_lines(self._own), len(self.body), self.body)
        return self._rest

    async def send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": self.body})

    async def send_most(self, send: Send) -> None:
        """Send all of it, and return when the system has taken it, but for the last 64 KiB, or the connection ended.

        ``finish`` ends the answer.
        """
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        # A server waits for room before it sends more, and this is no more than that.
        await send({"type": "http.response.body", "body": b"", "more_body": True})

    @staticmethod
    async def finish(send: Send) -> None:
        """The end of what ``send_most`` began."""
        await send({"type": "http.response.body", "body": b""})


@lru_cache(maxsize=64)
def _lines(own: Headers) -> bytes:
    """Header lines without the length; there are few different ones."""
    return b"".join(b"%b: %b\r\n" % pair for pair in (*own, *_NEVER_STORED))


def json_answer(status: int, members: Mapping[str, object], headers: Headers = ()) -> Answer:
    """A JSON object. Integers stay integers: Talos refuses ``600.0``."""
    body = json.dumps(members, separators=(",", ":")).encode()
    return Answer(status, body, ((b"content-type", b"application/json"), *headers))


def plain_answer(status: int, text: str, headers: Headers = ()) -> Answer:
    """A line of ASCII. Talos shows its first 32 bytes on the console."""
    body = text.encode("ascii", "replace") + b"\n"
    return Answer(status, body, ((b"content-type", b"text/plain; charset=us-ascii"), *headers))
