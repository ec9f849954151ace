"""What this server answers to an ACME authority that checks whether a name is its own."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from bootgrant.asgi import Receive, Scope, Send
from bootgrant.asgi.answer import Answer, plain_answer

ALPN: Final = "acme-tls/1"
_PREFIX: Final = "/.well-known/acme-challenge/"
_OFFER: Final = bytes((len(ALPN),)) + ALPN.encode()
"""A protocol as a ClientHello offers it (RFC 7301 section 3.1)."""
_RECORD: Final = 5
_HANDSHAKE: Final = b"\x16"
_LARGEST_HELLO: Final = 16384 + _RECORD
_PATIENCE: Final = 5.0
_PAUSE: Final = 0.02


@dataclass(slots=True)
class ChallengeAnswers:
    """``tokens`` are the key authorizations by token (http-01); ``context`` has the certificate for tls-alpn-01.

    Another thread sets them while a check is under way; otherwise there are none.
    """

    tokens: dict[str, str] = field(default_factory=dict)
    context: ssl.SSLContext | None = None

    async def context_for(self, connection: socket.socket) -> ssl.SSLContext | None:
        """Return the context for a connection of the authority, or None for any other connection.

        What the client offers is read without taking it from the connection, and only while a check is under way.
        """
        if self.context is None:
            return None
        return self.context if _OFFER in await _first_record(connection) else None


async def _first_record(connection: socket.socket) -> bytes:
    """Return the first record that a client sends, or nothing if it takes too long.

    This runs outside of a task (asgi/eager.py), where asyncio has no timeouts.
    """
    connection.setblocking(False)
    end = monotonic() + _PATIENCE
    while monotonic() < end:
        try:
            seen = connection.recv(_LARGEST_HELLO, socket.MSG_PEEK)
        except BlockingIOError:
            seen = b"\0"
        except OSError:
            return b""
        length = int.from_bytes(seen[3:_RECORD], "big") if len(seen) >= _RECORD else _LARGEST_HELLO
        is_other = seen[:1] not in (b"\0", _HANDSHAKE)
        if is_other or len(seen) >= min(length + _RECORD, _LARGEST_HELLO):
            return seen
        await asyncio.sleep(_PAUSE)
    return b""


@dataclass(frozen=True, slots=True)
class ChallengeApp:
    """Plain HTTP on port 80: the answers for http-01. People are sent to ``public_url``, machines are refused."""

    tokens: Mapping[str, str]
    public_url: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._answer(scope).send(send)

    def _answer(self, scope: Scope) -> Answer:
        path: str = scope["path"]
        if scope["method"] not in ("GET", "HEAD"):
            return plain_answer(403, f"this is plain HTTP: use {self.public_url}")
        if path.startswith(_PREFIX):
            found = self.tokens.get(path.removeprefix(_PREFIX))
            return plain_answer(404, "unknown token") if found is None else plain_answer(200, found)
        target = self.public_url + scope["raw_path"].decode("ascii", "replace")
        return plain_answer(308, f"use {self.public_url}", ((b"location", target.encode()),))
