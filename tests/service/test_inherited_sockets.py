"""Sockets that outlive the server: one for machines and one for people, distinguished by name."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from bootgrant.service.server.listening import Inherited, activated, wider_than
from bootgrant.service.settings.site import SettingsError
from support.site import Served, bootgrant, clean_environment, free_port, served

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def of_systemd(count: int, names: str) -> dict[str, str]:
    return {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(count), "LISTEN_FDNAMES": names, "HOME": "/root"}


@pytest.mark.parametrize(
    ("count", "names", "taken"),
    [
        (1, "machines", Inherited(3, None)),
        (1, "", Inherited(3, None)),
        (1, "site.socket", Inherited(3, None)),
        (1, "people", Inherited(None, 3)),
        (2, "machines:people", Inherited(3, 4)),
        (2, "people:site.socket", Inherited(4, 3)),
        (0, "", Inherited()),
    ],
)
def test_the_name_of_a_socket_decides_its_use(count: int, names: str, taken: Inherited) -> None:
    environment = of_systemd(count, names)
    assert activated(environment, os.getpid()) == taken
    assert environment == {"HOME": "/root"}


@pytest.mark.parametrize("names", ["a:b", "people:people", "machines:people:more"])
def test_two_sockets_for_the_same_use_are_refused(names: str) -> None:
    environment = of_systemd(names.count(":") + 1, names)
    with pytest.raises(SettingsError, match="FileDescriptorName=people"):
        activated(environment, os.getpid())


def test_variables_for_another_process_are_ignored() -> None:
    assert activated({**of_systemd(1, "machines"), "LISTEN_PID": "1"}, os.getpid()) == Inherited()


@contextlib.contextmanager
def next_server(site: Served, listeners: Mapping[str, socket.socket]) -> Iterator[subprocess.Popen[bytes]]:
    """Run `bootgrant serve` with these sockets as systemd passes them: from descriptor 3, with three variables."""
    numbers = [listener.fileno() for listener in listeners.values()]
    launch = (
        "import os; "
        f"above = [os.dup2(number, 100 + place) for place, number in enumerate({numbers})]; "
        "[os.dup2(number, 3 + place) for place, number in enumerate(above)]; "
        f"os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='{len(numbers)}', "
        f"LISTEN_FDNAMES={':'.join(listeners)!r}); "
        f"os.execv({sys.executable!r}, {bootgrant('serve', '--config', str(site.made.config))!r})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", launch], pass_fds=numbers, env=clean_environment(), stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=20)


def asked(stack: contextlib.ExitStack, listener: socket.socket, request: bytes) -> socket.socket:
    connection = stack.enter_context(socket.create_connection(listener.getsockname(), timeout=30))
    connection.sendall(request)
    return connection


def test_connections_of_machines_and_people_survive_a_restart(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(served(tmp_path))
        assert site.stop() == 0
        place = f"127.0.0.1:{free_port()}"
        head, _, tail = site.made.config.read_text().partition("[operators]")
        tail = tail.replace('listen = ""', f'listen = "{place}"', 1)
        tail = tail.replace('public_url = ""', f'public_url = "http://{place}"', 1)
        site.made.config.write_text(f"{head}[operators]{tail}")
        login = f"GET /login HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n".encode()
        machines, people = (stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2))
        for _ in range(2):
            early = asked(stack, machines, HEALTH), asked(stack, people, login)
            with next_server(site, {"people": people, "machines": machines}):
                for connection in early:
                    assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_socket_for_people_is_refused_without_operators_listen(tmp_path: Path) -> None:
    with served(tmp_path) as site, socket.create_server(("127.0.0.1", 0)) as people:
        assert site.stop() == 0
        with next_server(site, {"people": people}) as process:
            assert process.wait(30) == 1
            assert process.stderr is not None
            assert b"operators.listen is empty" in process.stderr.read()


@pytest.mark.parametrize(
    ("address", "listen", "is_wider"),
    [
        ("127.0.0.1", "127.0.0.1", False),
        ("127.0.0.2", "localhost", False),
        ("0.0.0.0", "127.0.0.1", True),
        ("0.0.0.0", "localhost", True),
        ("0.0.0.0", "", False),
        ("0.0.0.0", "10.20.0.1", False),
    ],
)
def test_a_socket_that_listens_for_more_than_the_setting_says_is_a_warning(
    address: str, listen: str, is_wider: bool
) -> None:
    with socket.create_server((address, 0)) as listener:
        warning = wider_than(listener, "listen", listen)
        port = listener.getsockname()[1]
    assert bool(warning) is is_wider
    if is_wider:
        assert f"listens on 0.0.0.0 port {port}, for other computers too, but listen says {listen}" in warning


def test_the_server_warns_of_a_socket_that_is_open_to_other_computers(tmp_path: Path) -> None:
    with served(tmp_path) as site, socket.create_server(("0.0.0.0", 0)) as machines:
        assert site.stop() == 0
        with contextlib.ExitStack() as stack:
            process = stack.enter_context(next_server(site, {"machines": machines}))
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", machines.getsockname()[1]), 30))
            connection.sendall(HEALTH)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
            process.terminate()
            assert process.stderr is not None
            assert b"change ListenStream= to 127.0.0.1:" in process.stderr.read()
