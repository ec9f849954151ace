"""How fast the zipapp starts and how much memory it needs, compared with a bare Python in the same run.

    python bench/acquire_start.py [--pyz FILE] [--python PYTHON] [--rounds N] [--check]

Each round runs `python3 -c 'import ssl, http.client'` (the minimum for any HTTPS client in Python) and then the zipapp,
which completes a flow with a local provider that approves the first poll: QR code, token, download and written file.
Start: from before the process is created until its first request arrives (for the bare Python: until it ends). Memory:
the kernel's high-water mark (VmHWM). On a busy computer, compare the ratios. With --check, the exit status is 1 if a
target is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
START_TARGET_MS, MEMORY_TARGET_MIB = 80.0, 32.0
BARE = "import ssl, http.client; print(open('/proc/self/status').read())"
CONFIG = b"version: v1alpha1\nmachine:\n  type: worker\n" + b"# filler\n" * 3000


class Provider(BaseHTTPRequestHandler):
    """A provider and configuration server that records when the first request arrives."""

    protocol_version = "HTTP/1.1"
    first_request_at: float = 0.0

    def do_POST(self) -> None:
        if not Provider.first_request_at:
            Provider.first_request_at = time.perf_counter()
        self.rfile.read(int(self.headers["Content-Length"]))
        codes = {
            "device_code": "d" * 43, "user_code": "ABCD-EFGH", "verification_uri": "https://boot.example/device",
            "verification_uri_complete": "https://boot.example/d/ABCDEFGH", "expires_in": 600, "interval": 1,
        }  # fmt: skip
        token = {"access_token": "t" * 43, "token_type": "Bearer", "expires_in": 600}
        self._answer("application/json", json.dumps(token if self.path.startswith("/token") else codes).encode())

    def do_GET(self) -> None:
        self._answer("application/yaml", CONFIG)

    def log_message(self, *_: object) -> None:
        """Log nothing: a line per request would affect the measurement."""

    def _answer(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@dataclass(slots=True)
class Series:
    """Results of all rounds: milliseconds to start, and peak memory in MiB."""

    starts: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)


def high_water(status: str) -> float:
    """Return VmHWM from the status of a process, in MiB."""
    return int(status.split("VmHWM:")[1].split(maxsplit=1)[0]) / 1024


def peak_memory(process: subprocess.Popen[bytes]) -> float:
    """Return the peak memory in MiB, polled until the process ends."""
    status, peak = Path(f"/proc/{process.pid}/status"), 0.0
    while process.poll() is None:
        with contextlib.suppress(OSError, IndexError, ValueError):
            peak = max(peak, high_water(status.read_text()))
        time.sleep(0.0005)
    return peak


def run_bare(python: str, series: Series) -> None:
    """Run the bare Python, which prints its own high-water mark in less than a tenth of a millisecond."""
    start = time.perf_counter()
    done = subprocess.run([python, "-c", BARE], stdout=subprocess.PIPE, check=True)
    series.starts.append((time.perf_counter() - start) * 1000)
    series.peaks.append(high_water(done.stdout.decode()))


def run_zipapp(python: str, pyz: Path, url: str, folder: Path, series: Series) -> None:
    output = folder / "machine.yaml"
    output.unlink(missing_ok=True)
    cmdline = f"talos.config={url}/config?u=${{uuid}} talos.config.oauth.client_id=talos"
    words = ["--cmdline", f"{cmdline} talos.config.oauth.extra_variable=uuid", "--set", "uuid=u-1"]
    Provider.first_request_at = 0.0
    start = time.perf_counter()
    command = [python, "-I", "-S", str(pyz), *words, "--output", str(output), "--expect", "any"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, env={"LANG": "C.UTF-8"})
    peak = peak_memory(process)
    output_text = process.stderr.read() if process.stderr else b""
    if process.returncode != 0 or output.read_bytes() != CONFIG:
        sys.exit(f"the zipapp failed:\n{output_text.decode(errors='replace')}")
    series.starts.append((Provider.first_request_at - start) * 1000)
    series.peaks.append(peak)


def spread(values: Sequence[float], unit: str) -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):6.1f} {unit}  ({low:.1f} to {high:.1f})"


def report(bare: Series, zipapp: Series) -> bool:
    """Print the figures. Return whether both targets are met."""
    start, peak = statistics.median(zipapp.starts), statistics.median(zipapp.peaks)
    starts = [ours / least for ours, least in zip(zipapp.starts, bare.starts, strict=True)]
    peaks = [ours / least for ours, least in zip(zipapp.peaks, bare.peaks, strict=True)]
    print(f"{len(starts)} rounds on {os.cpu_count()} cores, median (lowest to highest)")
    print(f"  bare Python, start to end        {spread(bare.starts, 'ms ')}")
    print(f"  zipapp, start to first request   {spread(zipapp.starts, 'ms ')}   target {START_TARGET_MS:.0f} ms")
    print(f"    ratio                          {spread(starts, '   ')}")
    print(f"  bare Python, peak memory         {spread(bare.peaks, 'MiB')}")
    print(f"  zipapp, peak memory, whole flow  {spread(zipapp.peaks, 'MiB')}   target {MEMORY_TARGET_MIB:.0f} MiB")
    print(f"    ratio                          {spread(peaks, '   ')}")
    met = start < START_TARGET_MS and peak < MEMORY_TARGET_MIB
    print("  both targets met" if met else "  a target is MISSED")
    return met


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pyz", type=Path, default=ROOT / "dist" / "bootgrant-acquire.pyz")
    parser.add_argument(
        "--python", default=str(Path(sys.executable).resolve()), help="default: the interpreter of this environment"
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--check", action="store_true", help="exit with status 1 if a target is missed")
    args = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = HTTPServer(("127.0.0.1", port), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    bare, zipapp = Series(), Series()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.rounds + 1):
            run_bare(args.python, bare)
            run_zipapp(args.python, args.pyz, f"http://127.0.0.1:{port}", Path(folder), zipapp)
    for series in (bare, zipapp):  # the first round only fills the file cache
        del series.starts[0], series.peaks[0]
    if not report(bare, zipapp) and args.check:
        sys.exit(1)


if __name__ == "__main__":
    main()
