"""``GET /config`` over and over with one token, by wrk on the load generator's core."""

from __future__ import annotations

import re
import shutil
import subprocess

from bench.load.wrk import WrkFailed
from bench.peers.server import Server
from bench.processes import LOAD_CORE


def deliveries(server: Server, token: str, seconds: int) -> tuple[float, int]:
    """Requests a second over 32 keep-alive connections, and how many were answered."""
    found = shutil.which("wrk")
    if found is None:
        raise WrkFailed("wrk is not installed (apt-get install wrk)")
    words = ["taskset", "--cpu-list", str(LOAD_CORE), found, "--threads", "1", "--connections", "32"]
    words += ["--duration", f"{seconds}s", "-H", f"Authorization: Bearer {token}", f"{server.url}/config"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    rate, count = re.search(r"Requests/sec:\s+([\d.]+)", said), re.search(r"(\d+) requests in", said)
    if rate is None or count is None or "Non-2xx" in said:
        raise WrkFailed(f"not every request was answered as it should be: {said}")
    return float(rate[1]), int(count[1])
