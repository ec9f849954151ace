"""``bootgrant serve`` as installed, with all checks and SQLite on disk."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.peers.server import Endpoints, Server
from bench.processes import OUT, ROOT, free_port, started

ONE_ADDRESS = {"limits.pending_per_address": "1000000", "limits.pending": "1000000"}
"""The limits are active but out of reach, because the load comes from a few addresses."""


@contextlib.contextmanager
def bootgrant(settings: Mapping[str, str] | None = None, scheme: str = "http") -> Iterator[Server]:
    """Start a new site with an empty database. ``settings`` have the names of bootgrant.toml, as in ``grants.hold``."""
    port = free_port()
    command = (sys.executable, "-m", "bootgrant")
    url = f"{scheme}://127.0.0.1:{port}"
    # Not in /tmp, which may be in memory: the database must be on disk.
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="site-", dir=OUT) as place:
        folder = Path(place)
        words = ("--public-url", url, "--listen", f"127.0.0.1:{port}", "--operator", "bench")
        subprocess.run([*command, "init", folder, *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        serve = (*command, "serve", "--config", folder / "bootgrant.toml")
        environment = variables(ONE_ADDRESS | dict(settings or {}))
        with started(serve, f"{url}/healthz", OUT / "bootgrant.log", environment=environment) as running:
            yield Server("bootgrant", running, Endpoints("/device/code", "/token", "talos"), folder)


@contextlib.contextmanager
def bootgrant_over_tls() -> Iterator[Server]:
    """Start a new site with TLS in the server and an ECDSA P-256 key, the usual kind."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tls-", dir=OUT) as place:
        certificate, key = Path(place) / "certificate.pem", Path(place) / "key.pem"
        words = shlex.split("-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=127.0.0.1")
        made = ["openssl", "req", "-x509", *words, "-out", str(certificate), "-keyout", str(key)]
        subprocess.run(made, check=True, stderr=subprocess.DEVNULL)
        with bootgrant({"tls.certificate": str(certificate), "tls.key": str(key)}, "https") as server:
            yield server


def variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Return settings as environment variables, which override the file."""
    return {f"BOOTGRANT_{name.replace('.', '_').upper()}": value for name, value in settings.items()}
