"""Servers as processes on one core, measured from ``/proc``."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "bench" / "out"
SERVER_CORE, LOAD_CORE = 0, 1
_START_LIMIT = 30.0


@dataclass(frozen=True, slots=True)
class Usage:
    """Resources used so far: ``cpu`` in seconds, and ``memory`` in bytes (pages that processes share count once)."""

    cpu: float
    memory: int


@dataclass(frozen=True, slots=True)
class Running:
    """A running server with its child processes."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def usage(self) -> Usage:
        """Return the usage of the process and its children, such as gunicorn's worker."""
        pids = _family(self.process.pid)
        return Usage(sum(_cpu(pid) for pid in pids), sum(_memory(pid) for pid in pids))


@contextlib.contextmanager
def started(
    command: Sequence[str | Path],
    url: str,
    log: Path,
    *,
    cwd: Path = ROOT,
    environment: dict[str, str] | None = None,
    standard_input: bytes | None = None,
) -> Iterator[Running]:
    """Run ``command`` on the server's core, from its first answer at ``url`` until the end of the block."""
    words = ["taskset", "--cpu-list", str(SERVER_CORE), *command]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            stdin=subprocess.PIPE if standard_input is not None else subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=_environment(environment or {}),
        )
    try:
        if process.stdin is not None:
            process.stdin.write(standard_input or b"")
            process.stdin.close()
        _wait_for_answer(process, url, log)
        yield Running(process, url, log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def pin_to_load_core() -> None:
    """Pin this process and its children, which generate the load, to the other core."""
    os.sched_setaffinity(0, {LOAD_CORE})


def _environment(more: dict[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("BOOTGRANT_") and not k.lower().endswith("_proxy")}
    return kept | more


def _wait_for_answer(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + _START_LIMIT
    insecure = ssl.create_default_context()
    insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=insecure))
    while time.monotonic() < until and process.poll() is None:
        try:
            opener.open(url, timeout=2).close()
            return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"{url} does not respond; its log:\n{log.read_text(errors='replace')[-2000:]}")


def most_memory(pid: int) -> int:
    """Return the most bytes that a process had so far, 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM:")), 0)


def children(pid: int) -> list[int]:
    """Return the child processes of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


def _family(pid: int) -> list[int]:
    family = [pid]
    for parent in family:
        family += children(parent)
    return family


def _cpu(pid: int) -> float:
    """Return CPU seconds from the scheduler. Ended threads are missing, but no server here ends threads."""
    total = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError):
            total += int(task.read_text().split()[0])
    return total / 1e9


def _memory(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:")), 0)
