"""Reading a request body completely, up to a limit of size and time, and refusing one that announces more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from bootgrant.asgi import App, Receive, Scope, Send


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
    if announced(scope) > limit:
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


def announced(scope: Scope) -> int:
    """Return the length of the body in the headers, 0 if there is none."""
    lengths = (value for name, value in scope["headers"] if name == b"content-length")
    return next((int(value) for value in lengths if value.isdigit()), 0)


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """Pass a request to ``refuse`` if it announces a larger body than ``most`` says for its path, else to ``app``.

    ``refuse`` answers 413 and closes the connection. An app that reads bodies checks what arrives itself: a body with
    chunked coding announces nothing.
    """

    app: App
    most: Callable[[str], int]
    refuse: App

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_too_large = scope["type"] == "http" and announced(scope) > self.most(scope["path"])
        await (self.refuse if is_too_large else self.app)(scope, receive, send)
