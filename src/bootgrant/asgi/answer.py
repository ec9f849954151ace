"""Complete responses: JSON for OAuth clients (RFC 6749 section 5), plain ASCII for a machine's console."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from bootgrant.asgi import Send

Headers = tuple[tuple[bytes, bytes], ...]
CLOSE: Final = (b"connection", b"close")
_NEVER_STORED: Headers = (
    (b"cache-control", b"no-store"),
    (b"pragma", b"no-cache"),
    (b"x-content-type-options", b"nosniff"),
)


class Answer:
    """A status, a whole body, and headers other than length and caching. Immutable after construction."""

    __slots__ = ("_own", "_rest", "body", "status")

    def __init__(self, status: int, body: bytes, headers: Headers = ()) -> None:
        self.status = status
        self.body = body
        self._own = headers
        self._rest = b""

    @property
    def headers(self) -> Headers:
        """All headers, including length and caching."""
        return (*self._own, *_NEVER_STORED, (b"content-length", b"%d" % len(self.body)))

    @property
    def closes(self) -> bool:
        """Whether the connection must be closed after this answer."""
        return CLOSE in self._own

    @property
    def rest(self) -> bytes:
        """Everything after the status line, as sent over the wire (RFC 9112). Built once."""
        if not self._rest:
            self._rest = b"%bcontent-length: %d\r\n\r\n%b" % (_lines(self._own), len(self.body), self.body)
        return self._rest

    async def send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": self.body})

    async def send_most(self, send: Send) -> None:
        """Send everything, and return once the kernel has accepted all but the last 64 KiB or the connection ended.

        Call ``finish`` afterwards to end the answer.
        """
        await send({"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        # The server waits for buffer space before it accepts another chunk, so an empty one waits for that space.
        await send({"type": "http.response.body", "body": b"", "more_body": True})

    @staticmethod
    async def finish(send: Send) -> None:
        """End an answer that ``send_most`` began."""
        await send({"type": "http.response.body", "body": b""})


@lru_cache(maxsize=64)
def _lines(own: Headers) -> bytes:
    """Return the header lines without the length. Only a few distinct sets occur."""
    return b"".join(b"%b: %b\r\n" % pair for pair in (*own, *_NEVER_STORED))


def json_answer(status: int, members: Mapping[str, object], headers: Headers = ()) -> Answer:
    """Return a JSON object. Integers stay integers, because Talos rejects ``600.0``."""
    body = json.dumps(members, separators=(",", ":")).encode()
    return Answer(status, body, ((b"content-type", b"application/json"), *headers))


def plain_answer(status: int, text: str, headers: Headers = ()) -> Answer:
    """Return one line of ASCII. Talos shows its first 32 bytes on the console."""
    body = text.encode("ascii", "replace") + b"\n"
    return Answer(status, body, ((b"content-type", b"text/plain; charset=us-ascii"), *headers))
