"""`bootgrant acquire` against a hostile server: bounded time, bounded memory, a clear error."""

from __future__ import annotations

import functools
import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.answering_server import AnsweringServer, Asked, drip, http
from support.booting_machine import CONFIG, SmallProvider, boot, run_machine, server_for
from support.certificates import Authority

MEMORY = 80 << 10
"""KiB at most, for a configuration of up to 16 MiB. The program itself needs about 22 MiB."""
_MEASURE = """
import resource, subprocess, sys
status = subprocess.run(sys.argv[1:]).returncode
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def measured(*words: str) -> tuple[int, int, str]:
    """Exit status, peak memory in KiB and the last line of a run."""
    command = [sys.executable, "-c", _MEASURE, sys.executable, "-m", "bootgrant", "acquire", *words]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return ran.returncode, int(ran.stdout), ran.stderr.splitlines()[-1]


def endless(_: Asked) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    while True:
        yield b"x" * 65536


def declared(_: Asked) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
    for _piece in range(1600):
        yield b"x" * 65536


def bomb(_: Asked) -> bytes:
    return http(200, _zeros(), Content_Encoding="gzip")


def packed_file(_: Asked) -> bytes:
    return http(200, _zeros(), Content_Type="application/gzip")


@functools.cache
def _zeros() -> bytes:
    return gzip.compress(b"\0" * (100 << 20), compresslevel=1)


@pytest.mark.parametrize(("answer", "status"), [(endless, 11), (declared, 11), (bomb, 11), (packed_file, 12)])
def test_an_endless_configuration_is_refused_in_bounded_memory(answer: object, status: int, tmp_path: Path) -> None:
    assert callable(answer)
    with AnsweringServer(answer) as server:
        words = ("--cmdline", f"talos.config={server.url}/config", "--output", str(tmp_path / "out"))
        ended, memory, line = measured(*words)
    assert (ended, list(tmp_path.iterdir())) == (status, []), line
    assert memory < MEMORY, line


@pytest.mark.parametrize("answer", [endless, declared, bomb])
def test_an_endless_answer_of_a_provider_is_refused_in_bounded_memory(answer: object) -> None:
    assert callable(answer)
    with AnsweringServer(answer) as server:
        ended, memory, line = measured(*boot(server.url))
    assert ended == 10, line
    assert memory < MEMORY, line


def test_a_slow_answer_ends_in_time() -> None:
    stop = threading.Event()
    with AnsweringServer(lambda _: drip(b"x", 0.05, stop)) as server:
        cmdline = f"talos.config={server.url}/config"
        machine = run_machine("--cmdline", cmdline, "--timeout", "2s", "--attempt-timeout", "1s")
        assert machine.process.returncode == 6
        assert "in time" in machine.last_line
        machine = run_machine(*boot(server.url, "--timeout", "2s"))
        assert machine.process.returncode == 6
    stop.set()


def test_a_rejected_certificate_has_its_own_exit_status(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    provider = SmallProvider()
    provider.approved.set()
    with AnsweringServer(provider, tls=authority.server("IP:127.0.0.1")) as server:
        machine = run_machine(*boot(server.url))
        assert machine.process.returncode == 7
        assert "--ca" in machine.last_line
        machine = run_machine(*boot(server.url, "--ca", str(authority.certificate)))
        assert (machine.process.returncode, machine.stdout) == (0, CONFIG)


def test_no_secret_follows_a_redirect() -> None:
    with server_for(SmallProvider()) as other:
        provider = SmallProvider(token=lambda _: http(307, Location=f"{other.url}/token"))
        with server_for(provider) as server:
            machine = run_machine(*boot(server.url, "--timeout", "4s"))
        assert machine.process.returncode == 10
        assert "must not see this machine's secrets" in machine.last_line
        assert other.asked == []
