"""Servers that share a private PostgreSQL cluster of the Debian package, with its default durability."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.peers.bootgrant import ONE_ADDRESS, variables
from bench.peers.server import Endpoints, Server
from bench.processes import OUT, ROOT, Running, free_port, started

_START_LIMIT = 30.0


@dataclass(frozen=True, slots=True)
class Shared:
    """The servers of one site and their database."""

    servers: tuple[Server, ...]
    database: Running


@contextlib.contextmanager
def sharing(count: int) -> Iterator[Shared]:
    """Start ``count`` servers on one core, with one PostgreSQL on any core and one machines folder."""
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shared-", dir=OUT) as place, contextlib.ExitStack() as stack:
        database = stack.enter_context(_cluster())
        first = Path(place) / "server-0"
        settings = {
            "database.url": database.url,
            "code_key_file": str(first / "data" / "code.key"),
            "machines": str(first / "machines"),
        }
        environment = variables(ONE_ADDRESS | settings)
        servers = [_Site(Path(place) / f"server-{number}", free_port(), environment) for number in range(count)]
        for server in servers:
            server.init()
        servers[0].migrate()
        yield Shared(tuple(stack.enter_context(server.serving()) for server in servers), database)


@dataclass(frozen=True, slots=True)
class _Site:
    """The folder of one server. All have the same ``environment``: database, code key and machines folder."""

    folder: Path
    port: int
    environment: dict[str, str]

    def init(self) -> None:
        words = ("--public-url", self._url, "--listen", f"127.0.0.1:{self.port}", "--operator", "bench")
        subprocess.run([*_COMMAND, "init", str(self.folder), *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)

    def migrate(self) -> None:
        words = [*_COMMAND, "migrate", "--config", str(self._config)]
        subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, env=os.environ | self.environment)

    @contextlib.contextmanager
    def serving(self) -> Iterator[Server]:
        log = OUT / f"{self.folder.name}.log"
        command = (*_COMMAND, "serve", "--config", self._config)
        with started(command, f"{self._url}/healthz", log, environment=self.environment) as running:
            yield Server(self.folder.name, running, Endpoints("/device/code", "/token", "talos"), self.folder)

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def _config(self) -> Path:
        return self.folder / "bootgrant.toml"


_COMMAND = (sys.executable, "-m", "bootgrant")


@contextlib.contextmanager
def _cluster() -> Iterator[Running]:
    versions = sorted(Path("/usr/lib/postgresql").glob("*"), key=lambda path: float(path.name))
    if not versions:
        raise RuntimeError("PostgreSQL is not installed (apt-get install postgresql)")
    programs, port = versions[-1] / "bin", free_port()
    # Not below OUT, which the postgres user may not be able to read.
    folder = Path(tempfile.mkdtemp(prefix="bootgrant-bench-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        options = "-U bootgrant --auth=trust --locale=C -E UTF8"
        initdb = shlex.split(f"{programs / 'initdb'} -D {folder / 'data'} {options}")
        subprocess.run([*_as_user(), *initdb], check=True, capture_output=True, cwd=folder)
        words = ["-D", str(folder / "data"), "-p", str(port), "-h", "127.0.0.1", "-k", "", "-c", "max_connections=200"]
        with (folder / "log").open("wb") as log:
            command = [*_as_user(), str(programs / "postgres"), *words]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder)
        try:
            _wait_for(programs / "pg_isready", port, process, folder / "log")
            url = f"postgresql://bootgrant@127.0.0.1:{port}/postgres"
            yield Running(process, url, folder / "log")
        finally:
            process.terminate()
            process.wait(30)
    finally:
        shutil.rmtree(folder)


def _wait_for(ready: Path, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _START_LIMIT
    while time.monotonic() < until and process.poll() is None:
        done = subprocess.run([ready, "-h", "127.0.0.1", "-p", str(port), "-q"], check=False)
        if done.returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL does not respond; its log:\n{log.read_text(errors='replace')[-2000:]}")


def _as_user() -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
