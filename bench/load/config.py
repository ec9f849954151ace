"""Repeated ``GET /config`` with one token, by wrk on the load generator's core."""

from __future__ import annotations

import re
import shutil
import subprocess

from bench.load.wrk import WrkFailed
from bench.peers.server import Server
from bench.processes import LOAD_CORE


def deliveries(server: Server, token: str, seconds: int) -> tuple[float, int]:
    """Return requests per second over 32 keep-alive connections, and the number of answers."""
    found = shutil.which("wrk")
    if found is None:
        raise WrkFailed("wrk is not installed (apt-get install wrk)")
    words = ["taskset", "--cpu-list", str(LOAD_CORE), found, "--threads", "1", "--connections", "32"]
    words += ["--duration", f"{seconds}s", "-H", f"Authorization: Bearer {token}", f"{server.url}/config"]
    output = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    rate, count = re.search(r"Requests/sec:\s+([\d.]+)", output), re.search(r"(\d+) requests in", output)
    if rate is None or count is None or "Non-2xx" in output:
        raise WrkFailed(f"some requests failed: {output}")
    return float(rate[1]), int(count[1])
