"""A private PostgreSQL cluster in a temporary folder, from Debian's packages, that tests may stop and crash."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql

from bootgrant.store.postgres.connections import PostgresAddress
from bootgrant.store.postgres.migrations import migrate
from bootgrant.wire.secret import Secret
from support.parts import installed_file
from support.site import free_port, wait_until

PASSWORD = "only on loopback"
_SETTINGS = {
    # What a killed server has written is still in the system's cache; power cuts are for PostgreSQL's own tests.
    "fsync": "off",
    "full_page_writes": "off",
    # Its launcher sleeps for a minute, and dropping a database may wait for it.
    "autovacuum": "off",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "log_min_messages": "fatal",
    # A shutdown waits for every connection that has not signed in yet, for a minute by default. A test that stops the
    # server blocks its own event loop, which may have such a connection.
    "authentication_timeout": "10s",
}


@dataclass(slots=True)
class Cluster:
    """A server on a loopback port. Everything is deleted with its folder."""

    programs: Path
    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    template: str = ""
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def start(self, *, wait: bool = True) -> None:
        """Start the server from the main thread (it ends with that thread), and by default wait until it answers."""
        words = [f"--{name}={value}" for name, value in _SETTINGS.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*_as_user(), "setpriv", "--pdeathsig", "QUIT", str(self.programs / "postgres"), "-D",
                 str(self.folder / "data"), "-p", str(self.port), "-h", "127.0.0.1", "-k", "", *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
            )  # fmt: skip
        if wait:
            wait_until(self._answers, "PostgreSQL answers")

    def stop(self) -> None:
        """Shut the server down fast: connections are closed, committed transactions stay."""
        self._end(signal.SIGINT)

    def crash(self) -> None:
        """Crash the server: all its processes end at once."""
        self._end(signal.SIGQUIT)

    def _end(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(30)
        self.process = None

    def url(self, database: str, password: str = PASSWORD) -> str:
        secret = f":{password.replace(' ', '%20')}" if password else ""
        return f"postgresql://bootgrant{secret}@127.0.0.1:{self.port}/{database}"

    def create(self, template: str = "template0") -> str:
        """Create a database and return its name."""
        name = f"test{next(self._numbers)}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        self.execute(statement)
        return name

    def drop(self, name: str) -> None:
        self.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def execute(self, statement: sql.Composed | sql.SQL, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement on a connection of its own."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True


def programs() -> Path:
    """Return the folder of PostgreSQL's programs: that in POSTGRES_PROGRAMS, or Debian's newest."""
    if named := os.environ.get("POSTGRES_PROGRAMS"):
        return Path(named)
    versions = sorted(Path("/usr/lib/postgresql").glob("*"), key=lambda path: float(path.name))
    return (versions or [Path("/usr/lib/postgresql/none")])[-1] / "bin"


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Start a cluster with the role ``bootgrant``, and delete it after the block."""
    initdb = installed_file(programs() / "initdb", "postgresql")
    folder = Path(tempfile.mkdtemp(prefix="bootgrant-postgres-"))
    try:
        (folder / "password").write_text(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
            shutil.chown(folder / "password", "postgres")
        subprocess.run(
            [*_as_user(), str(initdb), "-D", str(folder / "data"), "-U", "bootgrant", "--auth=scram-sha-256",
             "--no-sync", f"--pwfile={folder / 'password'}", "--encoding=UTF8", "--locale=C"],
            check=True, capture_output=True, cwd=folder,
        )  # fmt: skip
        made = Cluster(initdb.parent, folder, free_port())
        made.start()
        try:
            yield made
        finally:
            if made.process is not None:
                made.crash()
    finally:
        shutil.rmtree(folder)


@contextmanager
def migrated(cluster: Cluster) -> Iterator[PostgresAddress]:
    """Create a database with this version's schema, as a copy of one that was migrated once."""
    if not cluster.template:
        cluster.template = cluster.create()
        migrate(PostgresAddress(Secret(cluster.url(cluster.template))))
    name = cluster.create(cluster.template)
    try:
        yield PostgresAddress(Secret(cluster.url(name)))
    finally:
        if cluster.process is None:
            cluster.start()
        cluster.drop(name)


def _as_user() -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
