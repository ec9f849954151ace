"""Thousands of connections from one process to one server, each with one request and its answer."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import httpx2

from bootgrant.fleet.exchange import exchange
from support.machine import DEVICE_GRANT
from support.site import Served
from support.storm import address_of, post

_AT_ONCE = 200
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: close with a reset."""


@dataclass(eq=False)
class Connection(asyncio.Protocol):
    """``heard`` is what the server sent. Times are on the monotonic clock."""

    request: bytes
    transport: asyncio.Transport = field(init=False)
    heard: bytes = b""
    heard_at: float = 0.0
    ended_at: float = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self.heard += data
        self.heard_at = time.monotonic()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended_at = time.monotonic()

    def reset(self) -> None:
        found: socket.socket = self.transport.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()


def allow_files(count: int) -> None:
    """Let this process and its children have ``count`` open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(hard, count) if hard >= 0 else hard))


async def connect(site: Served, requests: Sequence[bytes]) -> list[Connection]:
    """Open one connection for each request."""
    loop = asyncio.get_running_loop()
    address, gate = address_of(site.url), asyncio.Semaphore(_AT_ONCE)

    async def one(request: bytes) -> Connection:
        async with gate:
            _, protocol = await loop.create_connection(lambda: Connection(request), address.host, address.port)
            return protocol

    return await asyncio.gather(*(one(request) for request in requests))


async def ask_many(site: Served, count: int) -> list[dict[str, str]]:
    """Return the codes of ``count`` machines."""
    address, gate = address_of(site.url), asyncio.Semaphore(_AT_ONCE)

    async def one(number: int) -> dict[str, str]:
        form = {"client_id": "talos", "serial": f"CROWD-{id(gate):x}-{number}"}
        async with gate:
            answer = await exchange(address, post("/device/code", form), time.monotonic() + 30)
        assert answer.status == 200, answer
        codes: dict[str, str] = json.loads(answer.body)
        return codes

    return await asyncio.gather(*(one(number) for number in range(count)))


def poll_of(codes: dict[str, str], *, close: bool = False) -> bytes:
    form = {"client_id": "talos", "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
    request = post("/token", form)
    return request if close else request.replace(b"Connection: close\r\n", b"")


async def until(condition: object, name: str, seconds: float = 60.0) -> None:
    """Wait until ``condition()`` holds, with the event loop free meanwhile."""
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {name}"
        await asyncio.sleep(0.05)


def held(site: Served) -> int:
    """Return how many token requests the server holds, from its metrics."""
    for line in httpx2.get(f"{site.url}/metrics", trust_env=False, timeout=30).text.splitlines():
        if line.startswith("bootgrant_held_polls "):
            return int(float(line.split()[1]))
    raise AssertionError("no bootgrant_held_polls in /metrics")


def open_files(site: Served) -> int:
    return len(list(Path(f"/proc/{site.server_pid}/fd").iterdir()))


def memory(site: Served) -> int:
    """Return the bytes of memory of the server's process."""
    text = Path(f"/proc/{site.server_pid}/status").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024
