"""Two servers of one site: each a process with a folder of its own, on one PostgreSQL database."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from support.postgres_cluster import PASSWORD, Cluster
from support.site import Served, free_port, served


@contextmanager
def two_servers(folder: Path, cluster: Cluster, settings: str = "") -> Iterator[tuple[Served, Served]]:
    """The first is made by `init`, the second by copying, as docs/server.md says."""
    password = folder / "database-password"
    password.write_text(PASSWORD)
    name = cluster.create()
    database = {"database.url": cluster.url(name, ""), "database.password_file": str(password)}
    try:
        with served(folder, settings=settings, database=database) as first:
            second = copied(first, folder / "second")
            second.start()
            try:
                yield first, second
            finally:
                if second.process.poll() is None:
                    second.kill()
    finally:
        if cluster.process is None:
            cluster.start()
        cluster.drop(name)


def copied(first: Served, folder: Path) -> Served:
    """A folder for one more server: settings, machines and the code key of ``first``, and an address of its own."""
    shutil.copytree(first.folder, folder, ignore=shutil.ignore_patterns("data", "*.log"))
    (folder / "data").mkdir(mode=0o700)
    shutil.copy(first.folder / "data/code.key", folder / "data")
    port = free_port()
    config = folder / "bootgrant.toml"
    listen = first.url.removeprefix("http://")
    config.write_text(config.read_text().replace(f'listen = "{listen}"', f'listen = "127.0.0.1:{port}"'))
    return Served(folder, replace(first.made, config=config), url=f"http://127.0.0.1:{port}")
