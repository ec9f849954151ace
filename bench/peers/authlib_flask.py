"""Authlib on Flask under gunicorn, with one worker and threads, because its store is in memory."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.peers.server import Endpoints, Server
from bench.processes import OUT, free_port, started


@contextlib.contextmanager
def authlib_flask() -> Iterator[Server]:
    """Start a server with an empty store."""
    port = free_port()
    gunicorn = Path(sys.executable).with_name("gunicorn")
    options = shlex.split("--workers 1 --worker-class gthread --threads 8 --keep-alive 75 --backlog 4096")
    with started(
        [gunicorn, "--bind", f"127.0.0.1:{port}", *options, "--no-control-socket", "bench.peers.authlib_app:app"],
        f"http://127.0.0.1:{port}/healthz",
        OUT / "authlib-flask.log",
    ) as running:
        yield Server("Authlib on Flask", running, Endpoints("/device/code", "/token", "talos"))
