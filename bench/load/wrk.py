"""``wrk`` on the load generator's core: a number of requests over 64 keep-alive connections, as fast as possible."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from pathlib import Path

from bench.peers.server import Server
from bench.processes import LOAD_CORE

_HERE = Path(__file__).parent
_CONNECTIONS = 64
_LIMIT = 120


class WrkFailed(RuntimeError):
    """wrk is missing, or some requests failed."""


def open_grants(server: Server, count: int, run: int) -> float:
    """Request codes for ``count`` machines. Return requests per second. Each ``run`` (below 256) has other machines."""
    return _run("device_code.lua", server.url + server.endpoints.device, server.endpoints.client_id, count, run)


def poll_tokens(server: Server, codes: Path, count: int, begin: int = 0) -> float:
    """Poll ``count`` times for the device codes in the file, in turn. Return requests per second."""
    return _run("token.lua", server.url + server.endpoints.token, server.endpoints.client_id, codes, count, begin)


def _run(script: str, url: str, *arguments: object) -> float:
    found = shutil.which("wrk")
    if found is None:
        raise WrkFailed("wrk is not installed (apt-get install wrk)")
    pinned = ["taskset", "--cpu-list", str(LOAD_CORE), found, "--threads", "1", "--connections", str(_CONNECTIONS)]
    words = [*pinned, "--duration", f"{_LIMIT}s", "-s", str(_HERE / script), url, "--", *map(str, arguments)]
    figures: dict[str, float] = {}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if match := re.match(r"(elapsed|failed) ([\d.]+)", line):
                figures[match[1]] = float(match[2])
            if line.startswith("elapsed"):
                process.send_signal(signal.SIGINT)
    if not figures.get("elapsed") or figures.get("failed"):
        raise WrkFailed(f"some requests failed: {figures}")
    count = next(int(value) for value in arguments if isinstance(value, int))
    return (count - 1) / figures["elapsed"]
