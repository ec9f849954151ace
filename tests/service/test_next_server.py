"""A restart on a socket that outlives the server loses no request."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from support.site import Served, bootgrant, clean_environment, served, wait_until

FORM = "client_id=talos&device_code=x&grant_type=urn:ietf:params:oauth:grant-type:device_code"
HEAD = "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
BOTH_WAYS = pytest.mark.parametrize("path", ["/token", "/introspect"])


@contextmanager
def server(site: Served, listener: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server on ``listener`` that has answered once."""
    number = listener.fileno()
    process = subprocess.Popen(
        bootgrant("serve", "--config", str(site.made.config), "--fd", str(number)),
        pass_fds=[number],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
    )
    try:
        with connect(listener) as connection:
            assert ask(connection, "/token").startswith(b"HTTP/1.1 400 ")
        yield process
    finally:
        process.kill()
        process.wait()


def connect(listener: socket.socket) -> socket.socket:
    return socket.create_connection(listener.getsockname(), timeout=30)


def request(path: str) -> bytes:
    return f"{HEAD.format(path)}Content-Length: {len(FORM)}\r\n\r\n{FORM}".encode()


def ask(connection: socket.socket, path: str) -> bytes:
    connection.sendall(request(path))
    return read_answer(connection)


def read_answer(connection: socket.socket) -> bytes:
    """Read one answer with a JSON object, or the part before the connection ended."""
    answer = b""
    while not answer.endswith(b"}") and (more := connection.recv(65536)):
        answer += more
    return answer


@pytest.fixture
def stopped(tmp_path: Path) -> Iterator[Served]:
    """A site without a running server."""
    with served(tmp_path) as site:
        assert site.stop() == 0
        yield site


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        yield listener


@BOTH_WAYS
def test_clients_that_connected_before_the_stop_are_answered(
    stopped: Served, listener: socket.socket, path: str
) -> None:
    whole = request(path)
    with server(stopped, listener) as process, connect(listener) as idle:
        assert ask(idle, path).startswith(b"HTTP/1.1 4")
        with connect(listener) as silent, connect(listener) as in_head, connect(listener) as in_body:
            in_head.sendall(whole[:30])
            in_body.sendall(whole[:-5])
            # When a later connection has been answered, these have been accepted.
            with connect(listener) as later:
                ask(later, path)
            process.terminate()
            assert idle.recv(1) == b""
            for connection, rest in ((silent, whole), (in_head, whole[30:]), (in_body, whole[-5:])):
                connection.sendall(rest)
                answer = read_answer(connection)
                assert answer.startswith(b"HTTP/1.1 4")
                assert b"connection: close" in answer.lower()
        assert process.wait(20) == 0


def test_a_silent_connection_delays_the_stop_only_briefly(stopped: Served, listener: socket.socket) -> None:
    with server(stopped, listener) as process, connect(listener) as silent:
        with connect(listener) as later:
            ask(later, "/token")
        process.terminate()
        assert silent.recv(1) == b""
        assert process.wait(20) == 0


def test_every_machine_is_answered_during_a_restart(stopped: Served, listener: socket.socket) -> None:
    answers: list[bytes] = []
    over = threading.Event()

    def machine() -> None:
        while not over.is_set():
            with closing(connect(listener)) as connection:
                answers.append(ask(connection, "/token"))

    machines = [threading.Thread(target=machine) for _ in range(6)]
    with server(stopped, listener) as first:
        for thread in machines:
            thread.start()
        wait_until(lambda: len(answers) > 100, "machines ask")
        first.terminate()
        assert first.wait(20) == 0
    with server(stopped, listener):
        asked = len(answers)
        wait_until(lambda: len(answers) > asked + 100, "machines ask the next server")
        over.set()
        for thread in machines:
            thread.join(30)
    assert {answer[:13] for answer in answers} == {b"HTTP/1.1 400 "}
