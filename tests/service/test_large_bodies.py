"""A body that is larger than its endpoint reads is refused at once, and the connection is closed."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.site import Served, served

HUGE = 10_737_418_240
READERS = ["/device/code", "/token", "/introspect", "/revoke", "/login", "/api/v1/operators"]
OTHERS = ["/config", "/config/worker", "/healthz", "/readyz", "/metrics", "/.well-known/oauth-authorization-server"]
OTHERS += ["/", "/device", "/static/none", "/unknown", "/api/v1/requests", "/api/v1/unknown", "/hooks/git"]
SOON = 5.0
"""Seconds. A request may take 15."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("bodies")) as running:
        yield running


@contextlib.contextmanager
def asked(site: Served, path: str, *headers: str, method: str = "POST") -> Iterator[socket.socket]:
    """A connection on which the head of a request has been sent."""
    url = httpx2.URL(site.url)
    form = "Content-Type: application/x-www-form-urlencoded"
    head = [f"{method} {path} HTTP/1.1", f"Host: {url.netloc.decode()}", f"Origin: {site.url}", form, *headers, "", ""]
    with socket.create_connection((url.host, url.port or 80), timeout=SOON) as connection:
        connection.sendall("\r\n".join(head).encode())
        yield connection


def rest(connection: socket.socket) -> bytes:
    """What is received until the server closes; it fails if that takes too long."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("expect", [(), ("Expect: 100-continue",)], ids=["plain", "expect"])
@pytest.mark.parametrize("method", ["POST", "GET", "PUT"])
@pytest.mark.parametrize("path", READERS + OTHERS)
def test_a_huge_announced_body_is_refused_at_once(
    site: Served, path: str, method: str, expect: tuple[str, ...]
) -> None:
    with asked(site, path, f"Content-Length: {HUGE}", *expect, method=method) as connection:
        answer = rest(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer
    assert b"100 Continue" not in answer


@pytest.mark.parametrize("path", READERS)
def test_a_chunked_body_is_refused_when_it_has_grown_too_large(site: Served, path: str) -> None:
    with asked(site, path, "Transfer-Encoding: chunked") as connection:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):
            for _ in range(32):
                connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        answer = rest(connection)
    if path.startswith("/api/"):
        # Nobody without a token has a body read.
        assert answer.startswith(b"HTTP/1.1 401 ")
    else:
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close" in answer
    assert time.monotonic() - began < SOON


@pytest.mark.parametrize("path", OTHERS)
def test_a_chunked_body_that_nobody_reads_does_not_keep_the_connection(site: Served, path: str) -> None:
    with asked(site, path, "Transfer-Encoding: chunked", method="GET") as connection:
        with contextlib.suppress(ConnectionError):
            for _ in range(4):
                connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        assert rest(connection).startswith(b"HTTP/1.1 ")


def test_a_client_that_sends_its_large_body_at_once_still_reads_the_answer(site: Served) -> None:
    for path in ("/token", "/introspect", "/login"):
        for _ in range(5):
            with asked(site, path, f"Content-Length: {1 << 20}") as connection:
                connection.sendall(b"x" * (1 << 20))
                assert rest(connection).startswith(b"HTTP/1.1 413 ")


def test_a_large_body_through_the_admin_socket_is_refused_at_once(site: Served, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(SOON)
        link = tmp_path / "s"
        link.symlink_to(site.folder / "data/admin.sock")
        connection.connect(str(link))
        connection.sendall(f"POST /api/v1/operators HTTP/1.1\r\nHost: x\r\nContent-Length: {HUGE}\r\n\r\n".encode())
        assert rest(connection).startswith(b"HTTP/1.1 413 ")


def test_input_after_pipelined_requests_is_counted_and_not_logged(site: Served) -> None:
    counted = 'bootgrant_answers_total{endpoint="unreadable",status="400"}'
    before = metric(site, counted)
    health, page = (f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in ("/healthz", "/login"))
    garbage = b"\x00\x01garbage\r\n\r\n"
    waves = [health * 2 + garbage, health + garbage, page * 2 + garbage, page + health + garbage, health * 9 + garbage]
    url = httpx2.URL(site.url)
    for wave in waves:
        with socket.create_connection((url.host, url.port or 80), timeout=SOON) as connection:
            connection.sendall(wave)
            rest(connection)
    assert metric(site, counted) == before + len(waves)
    assert "Traceback" not in site.log
    assert "Exception" not in site.log


def metric(site: Served, name: str) -> float:
    lines = httpx2.get(f"{site.url}/metrics", trust_env=False).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))
