"""A killed server: the polls that it had accepted are answered, so that Talos, which polls twice, keeps its code."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import httpx2
import pytest

from support.grants import UUID
from support.machine import DEVICE_GRANT
from support.site import Served, children, served, wait_until

PENDING = b'{"error":"authorization_pending"}'


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        yield running


def poll(site: Served, *headers: str) -> bytes:
    """The bytes of a poll for a new code."""
    asked = {"client_id": "talos", "uuid": UUID}
    codes = httpx2.post(f"{site.url}/device/code", data=asked, trust_env=False).json()
    body = urlencode({"client_id": "talos", "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]})
    form = "Content-Type: application/x-www-form-urlencoded"
    head = "\r\n".join(["POST /token HTTP/1.1", "Host: x", form, f"Content-Length: {len(body)}", *headers])
    return f"{head}\r\n\r\n{body}".encode()


def connected(site: Served) -> socket.socket:
    """A connection that the server has accepted, and on which nothing is under way."""
    client = socket.create_connection(("127.0.0.1", int(site.url.rpartition(":")[2])), timeout=30)
    client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answered(client, b"ok\n").startswith(b"HTTP/1.1 200")
    return client


def answered(client: socket.socket, end: bytes) -> bytes:
    """The answer that ends with ``end``."""
    received = b""
    while not received.endswith(end):
        more = client.recv(65536)
        assert more, received
        received += more
    return received


def rest(client: socket.socket) -> bytes:
    """What arrives until the connection ends."""
    received = b""
    try:
        while more := client.recv(65536):
            received += more
    except ConnectionResetError:
        pass
    return received


def test_a_held_poll_is_answered_when_the_server_is_killed(site: Served) -> None:
    with connected(site) as client:
        client.sendall(poll(site, "Authorization: Basic dGFsb3M6"))
        metrics = f"{site.url}/metrics"
        wait_until(lambda: "bootgrant_held_polls 1.0" in httpx2.get(metrics, trust_env=False).text, "the poll is held")
        began = time.monotonic()
        site.kill_server()
        answer = rest(client)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(PENDING)
    assert time.monotonic() - began < 20, "before its hold was over"


def test_a_poll_that_the_server_has_not_read_is_answered(site: Served) -> None:
    request = poll(site)
    with connected(site) as client:
        os.kill(site.server_pid, signal.SIGSTOP)
        client.sendall(request)
        site.kill_server()
        assert rest(client).endswith(PENDING)


def test_other_requests_end_without_an_answer(site: Served) -> None:
    with connected(site) as client, connected(site) as silent:
        os.kill(site.server_pid, signal.SIGSTOP)
        client.sendall(b"GET /config HTTP/1.1\r\nHost: x\r\n\r\n")
        site.kill_server()
        assert rest(client) == b""
        assert rest(silent) == b""


def test_a_connection_on_which_another_request_follows_a_poll_gets_no_answer_of_a_poll(tmp_path: Path) -> None:
    with served(tmp_path, settings='hold = "0s"') as site, connected(site) as client:
        client.sendall(poll(site))
        answered(client, PENDING)
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        answered(client, b"ok\n")
        site.kill_server()
        assert rest(client) == b""


def test_what_answers_for_a_server_ends_with_it(site: Served) -> None:
    (other,) = children(site.server_pid)
    handle = os.pidfd_open(other)
    assert site.stop() == 0
    assert select.select([handle], [], [], 30)[0]
    os.close(handle)


def test_a_python_without_ctypes_serves_with_a_warning() -> None:
    program = (
        "import sys; sys.modules['ctypes'] = None\n"
        "from bootgrant.service.parts.open_polls import OpenPolls\n"
        "from bootgrant.service.server.last_answers import answer_after_death\n"
        "print(answer_after_death(OpenPolls()))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert said.startswith("ctypes: ")
