"""Opens thousands of requests over a few keep-alive connections and collects their device codes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

from bench.peers.server import Server

_CONNECTIONS = 32


def collect_codes(server: Server, count: int) -> list[str]:
    """Return the device codes of ``count`` new machines."""
    return asyncio.run(_collect(server, count))


async def _collect(server: Server, count: int) -> list[str]:
    numbers = iter(range(count))
    codes: list[str] = []
    async with asyncio.TaskGroup() as group:
        for _ in range(_CONNECTIONS):
            group.create_task(_ask(server, numbers, codes))
    return codes


async def _ask(server: Server, numbers: Iterator[int], codes: list[str]) -> None:
    where = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    for number in numbers:
        form = server.device_form(f"b0075eed-0000-8000-8000-{number:012x}").encode()
        head = (
            f"POST {server.endpoints.device} HTTP/1.1\r\nHost: {where.netloc}\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n\r\n"
        )
        writer.write(head.encode() + form)
        codes.append(json.loads(await _body(reader))["device_code"])
    writer.close()
    await writer.wait_closed()


async def _body(reader: asyncio.StreamReader) -> bytes:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    return await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
