"""A request's body, read whole and never beyond its limit."""

from __future__ import annotations

from bootgrant.asgi.types import Receive, Scope


class BodyTooLarge(Exception):
    """The body is larger than the limit; what remains of it was not read."""


class ClientGone(Exception):
    """The connection ended before the body did."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """At most ``limit`` bytes. Raises BodyTooLarge and ClientGone."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise BodyTooLarge
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
