"""An answer that the client never reads is discarded after a time."""

from __future__ import annotations

import asyncio

import pytest
import uvicorn
from uvicorn.server import ServerState

from bootgrant.asgi import Receive, Scope, Send
from bootgrant.service.parts.http_protocol import PatientProtocol

pytestmark = pytest.mark.anyio
SIZE = 16 * 1024 * 1024
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Hasty(PatientProtocol):
    answer_seconds = 4.0

    def __init__(self, lost: asyncio.Queue[None]) -> None:
        super().__init__(config=CONFIG, server_state=ServerState(), app_state={})
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._lost.put_nowait(None)


async def large(_scope: Scope, _receive: Receive, send: Send) -> None:
    length = (b"content-length", str(SIZE).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": bytes(SIZE)})


CONFIG = uvicorn.Config(large, lifespan="off", log_config=None)


async def read_all(reader: asyncio.StreamReader) -> int:
    """Return the number of bytes before the end or the reset."""
    size = 0
    try:
        while chunk := await reader.read(1 << 20):
            size += len(chunk)
    except ConnectionResetError:
        return size
    return size


async def test_only_a_connection_that_does_not_read_its_answer_is_reset() -> None:
    CONFIG.load()
    lost: asyncio.Queue[None] = asyncio.Queue()
    server = await asyncio.get_running_loop().create_server(lambda: Hasty(lost), "127.0.0.1", 0)
    async with server, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        writer.write(REQUEST)
        assert await read_all(reader) > SIZE
        await lost.get()
        stuck, stuck_writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
        stuck_writer.write(REQUEST)
        # A stream stops reading when its buffer is full; the server notices, and the client then sees the end.
        await lost.get()
        assert await read_all(stuck) < SIZE
        for each in (writer, stuck_writer):
            each.transport.abort()
