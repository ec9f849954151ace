"""A site for tests: its folder, and the whole application in process or `bootgrant serve` as a process."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path

import httpx2

from bootgrant.ports.chores import Chore
from bootgrant.service.commands.init_site import NewSite, init_site
from bootgrant.service.parts.build import Built, build
from bootgrant.service.settings.site import Site, load_site
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.wire.admin_socket import USER_HEADER
from support.fakes import CountedEntropy, FakeClock
from support.grants import MAC, UUID
from support.new_database import put_new_database

CONFIG = "version: v1alpha1\nmachine:\n  type: worker\n  ca: {crt: YQ==}\ncluster: {}\n"
KEY = b"k" * 32
_SERVING = re.compile(r'[ "]serving http')
_SHOWN_CODE = re.compile(r"enter the code ([A-Z]{4}-[A-Z]{4})")


def as_user(name: str) -> dict[str, str]:
    """What a command says of who runs it."""
    return {USER_HEADER: name}


@dataclass(slots=True)
class Running:
    """The application in process, with a clock that tests move."""

    built: Built
    machines: Path
    clock: FakeClock
    site: Site

    def client(self, address: str = "10.20.0.11") -> httpx2.AsyncClient:
        """What a machine or a person at ``address`` sees."""
        transport = httpx2.ASGITransport(self.built.public, client=(address, 40000))
        return httpx2.AsyncClient(transport=transport, base_url=self.site.public_url)

    def admin(self, user: str = "") -> httpx2.AsyncClient:
        """What a command of ``user`` reaches on the admin socket."""
        transport = httpx2.ASGITransport(self.built.admin)
        return httpx2.AsyncClient(transport=transport, base_url="http://admin", headers=as_user(user) if user else None)

    def chore(self, name: str) -> Chore:
        """The background work of this name."""
        return next(chore for chore in self.built.chores if chore.name == name)


@dataclass(slots=True)
class InProcess(Running):
    """The application on a new SQLite database."""

    database: SqliteDatabase


class QuietSite(Site):
    """A site whose pages have no warning about plain HTTP, as they look where people reach them by HTTPS."""

    __slots__ = ()

    @property
    def plain_http(self) -> tuple[str, ...]:
        return ()


@contextmanager
def site_in_process(
    folder: Path,
    *settings: str,
    clock: FakeClock | None = None,
    warns: bool = False,
    url: str = "http://boot.example:8080",
) -> Iterator[InProcess]:
    """``settings`` are lines of bootgrant.toml. ``warns``: with the warning about plain HTTP on every page."""
    config = folder / "bootgrant.toml"
    config.write_text("\n".join([f'public_url = "{url}"', *settings]))
    site = load_site(config)
    if not warns:
        site = QuietSite(**{each.name: getattr(site, each.name) for each in fields(site)})
    site.data.mkdir()
    put_new_database(site.data)
    site.machines.mkdir(exist_ok=True)
    clock = clock or FakeClock()
    with SqliteDatabase(site.data, clock.now()) as database:
        built = build(site, database, KEY, 1000, clock, CountedEntropy())
        yield InProcess(built, site.machines, clock, site, database)


@dataclass(slots=True)
class Served:
    """`bootgrant serve` as a process of its own, which can be killed and started again."""

    folder: Path
    made: NewSite
    process: subprocess.Popen[bytes] = field(init=False)
    url: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def machines(self) -> Path:
        return self.folder / "machines"

    @property
    def log(self) -> str:
        return (self.folder / "serve.log").read_text()

    def start(self) -> None:
        """Start it and wait until it says that it serves."""
        already = len(_SERVING.findall(self.log)) if (self.folder / "serve.log").exists() else 0
        self.launch()
        wait_until(
            lambda: len(_SERVING.findall(self.log)) > already or self.process.poll() is not None, "the server serves"
        )
        assert self.process.poll() is None, self.log

    def launch(self) -> None:
        """Start it, and do not wait."""
        with (self.folder / "serve.log").open("ab") as log:
            self.process = subprocess.Popen(
                bootgrant("serve", "--config", str(self.made.config)),
                stdin=subprocess.DEVNULL,
                stderr=log,
                env={**clean_environment(), **self.variables},
            )

    @property
    def server_pid(self) -> int:
        """The process that serves, below the supervisor."""
        (pid,) = children(self.process.pid)
        return pid

    def kill(self) -> None:
        """As a loss of the host does: nothing of it writes any more."""
        servers = children(self.process.pid)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for pid in servers:
            kill_and_wait(pid)

    def kill_server(self) -> None:
        """Kill the server; its supervisor lives, and starts another one."""
        kill_and_wait(self.server_pid)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(20)

    def configurations(self) -> dict[str, str]:
        """What `GET /api/v1/configurations` says on the admin socket; the revision is empty for finished files."""
        transport = httpx2.HTTPTransport(uds=str(self.folder / "data/admin.sock"))
        with httpx2.Client(transport=transport, base_url="http://admin", timeout=10) as client:
            answer: dict[str, str] = client.get("/api/v1/configurations").raise_for_status().json()
            return answer

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A local command of this site, such as `approve CODE`."""
        return subprocess.run(
            bootgrant(*words, "--config", str(self.made.config)),
            capture_output=True,
            text=True,
            timeout=60,
            env=clean_environment(),
        )


def children(pid: int) -> list[int]:
    """The processes that this one started."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def kill_and_wait(pid: int) -> None:
    """Kill a process that need not be a child of this one, and return when it has released what it held."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        select.select([handle], [], [], 20)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)


@contextmanager
def served(
    folder: Path,
    *,
    machine: str | None = CONFIG,
    settings: str = "",
    database: Mapping[str, str] | None = None,
    host: str = "127.0.0.1",
    port: int | None = None,
    more: str = "",
    variables: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """A site made by `init` with a running server; ``machine`` is the configuration of the machine UUID.

    ``settings`` replaces values of single lines, ``more`` is appended to the file; people come to ``host``.
    ``variables`` are added to the server's environment.
    """
    port = port or free_port()
    url = f"http://{host}:{port}"
    made = init_site(folder / "site", url, f"127.0.0.1:{port}", "ana", database)
    if settings:
        made.config.write_text(_with(made.config.read_text(), settings))
    with made.config.open("a") as file:
        file.write(more)
    site = Served(folder / "site", made, url=url, variables=variables or {})
    if machine is not None:
        (site.machines / f"{UUID}.yaml").write_text(machine)
    try:
        site.start()
        yield site
    finally:
        if site.process.poll() is None:
            site.kill()


def _with(text: str, settings: str) -> str:
    """Replace the values of single lines: ``hold = "0s"``."""
    for line in settings.splitlines():
        name = line.partition("=")[0].strip()
        text, count = re.subn(rf"(?m)^{re.escape(name)} =.*$", line, text)
        assert count == 1, line
    return text


def kernel_parameters(url: str) -> str:
    """What a machine of this site boots with."""
    return (
        f"talos.platform=metal talos.config={url}/config?uuid=${{uuid}} talos.config.oauth.client_id=talos "
        "talos.config.oauth.extra_variable=uuid talos.config.oauth.extra_variable=mac"
    )


@dataclass(slots=True)
class Acquiring:
    """A running `bootgrant acquire` as the machine UUID, its output, and what it has said so far."""

    process: subprocess.Popen[bytes]
    output: Path
    console: Path

    @property
    def said(self) -> str:
        return self.console.read_text()

    def delivered(self, seconds: float = 90) -> str:
        assert self.process.wait(seconds) == 0, self.said
        return self.output.read_text()


@dataclass(slots=True)
class Machine(Acquiring):
    """One that is authorized by the server itself."""

    def codes(self) -> list[str]:
        """The codes that it has shown, in order."""
        return _SHOWN_CODE.findall(self.said)

    def code(self) -> str:
        wait_until(lambda: self.codes() or self.process.poll() is not None, "the machine shows its code")
        assert self.codes(), self.said
        return self.codes()[0]


@contextmanager
def booting(url: str, folder: Path, *words: str) -> Iterator[Machine]:
    """A machine of the site at ``url``; it has ended after the block."""
    machine_words = ("--cmdline", kernel_parameters(url), "--set", f"uuid={UUID}", "--set", f"mac={MAC}")
    output, console = folder / "machine-config.yaml", folder / "machine-console"
    with acquiring([*machine_words, "--output", str(output), *words], console) as process:
        yield Machine(process, output, console)


@contextmanager
def acquiring(words: Sequence[str], console: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run `bootgrant acquire` with a console; it has ended after the block."""
    with console.open("wb") as screen:
        process = subprocess.Popen(
            bootgrant("acquire", *words), stdin=subprocess.DEVNULL, stderr=screen, env=clean_environment()
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def bootgrant(*words: str) -> list[str]:
    return [sys.executable, "-m", "bootgrant", *words]


def clean_environment() -> dict[str, str]:
    """This process's environment without proxies and without our own settings."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("BOOTGRANT_") and not name.lower().endswith("_proxy")
    }


def free_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until(condition: object, what: str, seconds: float = 30.0) -> None:
    """Look again and again until ``condition()`` holds; fail when it does not in time."""
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not in {seconds:.0f} s: {what}"
        time.sleep(0.01)
