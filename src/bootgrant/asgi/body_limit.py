"""Reading a request body completely, up to a limit of size and time."""

from __future__ import annotations

import asyncio

from bootgrant.asgi import Receive, Scope


class BodyTooLarge(Exception):
    """The body exceeds the limit. The remainder was not read."""


class ClientGone(Exception):
    """The connection ended before the body was complete."""


class BodyTooSlow(Exception):
    """The body did not arrive in time."""


async def read_body_in_time(scope: Scope, receive: Receive, limit: int, seconds: float) -> bytes:
    """Like ``read_body``, but raise BodyTooSlow after ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            return await read_body(scope, receive, limit)
    except TimeoutError:
        raise BodyTooSlow from None


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the body, at most ``limit`` bytes. Raises BodyTooLarge and ClientGone."""
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
