"""Connections that die, stay silent or send slowly: other machines do not notice, and no resources leak."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path

import httpx2
import pytest

from bootgrant.wire.limits import REQUEST_SECONDS
from support import crowd
from support.faults import rounds
from support.site import Served, served

pytestmark = pytest.mark.timeout(600)
MANY = rounds(1000, 5000)
ROOM = f"pending_per_address = {4 * MANY}"
GROWTH = 8 * 1024 * 1024
"""Bytes by which the server may grow when the same thousands come and go again."""


def test_sigterm_answers_every_held_poll_within_two_seconds(tmp_path: Path) -> None:
    crowd.allow_files(2 * MANY + 500)
    with served(tmp_path, settings=ROOM) as site:
        slowest = asyncio.run(stop_while_held(site, MANY))
        assert site.process.wait(20) == 0
        assert "Traceback" not in site.log
    print(f"{MANY} held polls: the last was answered {slowest:.2f} s after SIGTERM")
    assert slowest < 2


async def stop_while_held(site: Served, count: int) -> float:
    """Return the seconds from SIGTERM to the last answer."""
    codes = await crowd.ask_many(site, count)
    waiting = await crowd.connect(site, [crowd.poll_of(one) for one in codes])
    await crowd.until(lambda: crowd.held(site) == count, "every poll is held")
    signalled = time.monotonic()
    site.process.send_signal(signal.SIGTERM)
    await crowd.until(lambda: all(one.ended_at for one in waiting), "every connection has ended")
    heard = [(one.heard[:12], json.loads(one.heard.partition(b"\r\n\r\n")[2] or b"null")) for one in waiting]
    assert heard == [(b"HTTP/1.1 400", {"error": "authorization_pending"})] * count
    return max(one.heard_at for one in waiting) - signalled


def test_thousands_of_dead_connections_leak_nothing(tmp_path: Path) -> None:
    crowd.allow_files(2 * MANY + 500)
    with served(tmp_path, settings=ROOM) as site:
        asyncio.run(come_and_go(site))
        assert "Traceback" not in site.log


async def come_and_go(site: Served) -> None:
    codes = await crowd.ask_many(site, MANY)
    files = crowd.open_files(site)
    sizes = []
    for _ in range(3):
        waiting = await crowd.connect(site, [crowd.poll_of(one) for one in codes])
        await crowd.until(lambda: crowd.held(site) == MANY, "every poll is held")
        for number, one in enumerate(waiting):
            die = (one.reset, one.transport.close, one.transport.write_eof)[number % 3]
            die()
        await crowd.until(lambda: crowd.held(site) == 0, "no poll is held any more")
        await crowd.until(lambda: crowd.open_files(site) <= files, "every connection is closed")
        assert not any(one.heard for one in waiting)
        sizes.append(crowd.memory(site))
    print(f"{MANY} dead connections, three times: {[f'{size / 1e6:.0f} MB' for size in sizes]} afterwards")
    assert sizes[2] - sizes[0] < GROWTH
    answer = httpx2.post(f"{site.url}/token", content=b"", trust_env=False)
    assert answer.status_code == 400


def test_silent_and_slow_connections_are_ended_and_delay_no_machine(tmp_path: Path) -> None:
    crowd.allow_files(2 * MANY + 500)
    with served(tmp_path, settings=ROOM) as site:
        asyncio.run(stall(site))
        assert "Traceback" not in site.log


async def stall(site: Served) -> None:
    """Stall some connections at once, some in mid-request, and send a byte a second on others, while machines ask."""
    # With its first connection, libuv opens a file of its own.
    await crowd.ask_many(site, 1)
    files, size, began = crowd.open_files(site), crowd.memory(site), time.monotonic()
    beginnings = [
        b"",
        b"P",
        b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
        b"GET /config HTTP/1.1\r\nA: b",
    ]
    silent = await crowd.connect(site, [beginnings[number % len(beginnings)] for number in range(MANY - 60)])
    slow = await crowd.connect(site, [b""] * 60)
    dripping = asyncio.create_task(drip(slow))
    asked = time.monotonic()
    await crowd.ask_many(site, 100)
    took = time.monotonic() - asked
    assert took < 5, f"100 machines needed {took:.1f} s to ask while {MANY} connections stalled"
    await crowd.until(lambda: all(one.ended_at for one in (*silent, *slow)), "every connection was ended")
    await dripping
    last = max(one.ended_at for one in (*silent, *slow)) - began
    print(
        f"{MANY} silent and slow connections: the last was ended after {last:.1f} s, 100 machines asked in {took:.2f} s"
    )
    assert last < REQUEST_SECONDS + 10
    await crowd.until(lambda: crowd.open_files(site) <= files, "every connection is closed")
    assert crowd.memory(site) - size < 40e6


async def drip(connections: list[crowd.Connection]) -> None:
    """Send valid requests at a byte a second, a third of them to each endpoint."""
    requests = [
        b"POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n",
        b"POST /device/code HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n" + b"x" * 500,
        b"GET /config HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\r\n",
    ]
    for at in range(200):
        for number, one in enumerate(connections):
            if not one.ended_at:
                one.transport.write(requests[number % 3][at : at + 1])
        if all(one.ended_at for one in connections):
            return
        await asyncio.sleep(1)
