"""Several servers on one PostgreSQL database: their stores in process, or processes with a folder each."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

from bootgrant.service.server.chores import Chores
from bootgrant.store.postgres.connections import PostgresAddress
from bootgrant.store.postgres.database import PostgresDatabase, open_postgres
from support.postgres_cluster import PASSWORD, Cluster
from support.site import Served, free_port, served


@asynccontextmanager
async def server_on(address: PostgresAddress) -> AsyncIterator[PostgresDatabase]:
    """Open the stores of one server and run the chores that hear of the others' changes."""
    async with open_postgres(address, 4) as database:
        chores = Chores(database.chores)
        chores.start()
        try:
            yield database
        finally:
            await chores.stop()


@contextmanager
def two_servers(folder: Path, cluster: Cluster, settings: str = "", more: str = "") -> Iterator[tuple[Served, Served]]:
    """Start two servers: the first made by `init`, the second by copying its folder, as in docs/server.md.

    ``settings`` and ``more`` are as in ``served``.
    """
    password = folder / "database-password"
    password.write_text(PASSWORD)
    name = cluster.create()
    database = {"database.url": cluster.url(name, ""), "database.password_file": str(password)}
    try:
        with served(folder, settings=settings, database=database, more=more) as first:
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
    """Make the folder of another server: settings, machines and code key of ``first``, with an address of its own."""
    shutil.copytree(first.folder, folder, ignore=shutil.ignore_patterns("data", "*.log"))
    (folder / "data").mkdir(mode=0o700)
    shutil.copy(first.folder / "data/code.key", folder / "data")
    port = free_port()
    config = folder / "bootgrant.toml"
    listen = first.url.removeprefix("http://")
    config.write_text(config.read_text().replace(f'listen = "{listen}"', f'listen = "127.0.0.1:{port}"'))
    return Served(folder, replace(first.made, config=config), url=f"http://127.0.0.1:{port}")
