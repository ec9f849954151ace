"""A flood of connections on a server with few open files: what still answers, and that nobody who waits is reset."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from support.crowd import Connection, allow_files, ask_many, connect, held, poll_of, until
from support.site import Served, served, wait_until

FILES = 256
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    allow_files(4096)
    with served(tmp_path, settings='hold = "4s"') as running:
        # The supervisor keeps the limit for the servers that it starts.
        resource.prlimit(running.process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
        before = running.log.count("serving http")
        running.kill_server()
        wait_until(lambda: running.log.count("serving http") > before, "the next server serves")
        yield running


@contextlib.contextmanager
def silent(site: Served, *sources: str) -> Iterator[list[socket.socket]]:
    """Connections, one from each address, that send nothing."""
    port = int(site.url.rpartition(":")[2])
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 30, (source, 0))) for source in sources
        ]


def answer(site: Served, source: str) -> bytes:
    with silent(site, source) as [connection]:
        connection.sendall(HEALTH)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_400_silent_connections_of_one_address_keep_nobody_out(site: Served) -> None:
    with silent(site, *["127.0.0.1"] * 400):
        began = time.monotonic()
        assert site.command("pending").returncode == 0
        assert answer(site, "127.0.0.2").startswith(b"HTTP/1.1 200 ")
        wait_until(lambda: answer(site, "127.0.0.1").startswith(b"HTTP/1.1 200 "), "its own address is answered")
        assert time.monotonic() - began < 12
    assert "too many connections" in site.log
    assert 'endpoint="connection"' in httpx2.get(f"{site.url}/metrics", trust_env=False).text


def test_silent_connections_of_many_addresses_keep_nobody_out(site: Served) -> None:
    with silent(site, *(f"127.0.1.{number % 200 + 1}" for number in range(600))):
        assert site.command("pending").returncode == 0
        for source in ("127.0.0.2", "127.0.0.3"):
            assert answer(site, source).startswith(b"HTTP/1.1 200 ")
    assert "Traceback" not in site.log


@contextlib.asynccontextmanager
async def polling(site: Served, count: int) -> AsyncIterator[list[Connection]]:
    """The polls of so many machines."""
    polls = await connect(site, [poll_of(codes) for codes in await ask_many(site, count)])
    try:
        yield polls
    finally:
        for poll in polls:
            poll.transport.abort()
        await until(lambda: all(poll.ended_at for poll in polls), "the connections have ended")


@pytest.mark.anyio
async def test_machines_that_wait_are_not_ended_by_a_flood_from_their_own_address(site: Served) -> None:
    async with polling(site, 60) as polls:
        with silent(site, *["127.0.0.1"] * 400):
            await until(lambda: all(poll.heard for poll in polls), "every poll is answered")
        assert all(b'"error":"authorization_pending"' in poll.heard for poll in polls)


@pytest.mark.anyio
async def test_clients_beyond_the_limit_of_files_wait_and_none_is_reset(site: Served) -> None:
    where = ("127.0.0.1", int(site.url.rpartition(":")[2]))

    async def client(number: int) -> bytes:
        reader, writer = await asyncio.open_connection(*where, local_addr=(f"127.0.2.{number % 100 + 1}", 0))
        writer.write(HEALTH)
        whole = await reader.read()
        writer.close()
        await writer.wait_closed()
        return whole

    async with polling(site, 140) as polls:
        await until(lambda: held(site) >= 100, "the polls are held")
        answers = await asyncio.gather(*(client(number) for number in range(150)))
        assert all(each.startswith(b"HTTP/1.1 200 ") for each in answers)
        await until(lambda: all(poll.heard for poll in polls), "every poll is answered")
        assert all(b'"error":"authorization_pending"' in poll.heard for poll in polls)
    assert "have to wait" not in site.log
