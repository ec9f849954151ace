"""Sites that an older version made and filled (tests/fixtures), migrated and run in process by this version."""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from bootgrant.service.parts.build import build
from bootgrant.service.parts.database import migrate_database, open_database
from bootgrant.service.settings.site import load_site
from bootgrant.store.database import Database
from support.fakes import CountedEntropy, FakeClock
from support.machine import DEVICE_GRANT
from support.postgres_cluster import Cluster
from support.site import Running

FIXTURES = Path(__file__).parents[1] / "fixtures"
VERSIONS = ("546e06e", "7a656c6", "8bea724")
"""The fixtures, oldest first. The first three versions have no tag: the commit names them."""
IS_WHOLE = os.environ.get("PACKAGING_TEST") == "1"
"""Whether this is `make test-packaging`, which tests upgrades from all of them. `make test` takes two."""
TESTED = [(version, kind) for version in VERSIONS for kind in ("sqlite", "postgres")]
TESTED = TESTED if IS_WHOLE else [TESTED[0], TESTED[-1]]


@dataclass(slots=True)
class Continued(Running):
    """An older site in process."""

    database: Database


@dataclass(slots=True)
class OlderSite:
    """``known`` is what the machines and people of the site know; ``made_at`` is when its server was stopped."""

    config: Path
    known: dict[str, Any]

    @property
    def made_at(self) -> float:
        return float(self.known["made_at"])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Continued]:
        """The site with this version, a minute after the older one was stopped."""
        site = load_site(self.config)
        migrate_database(site)
        clock = FakeClock(self.made_at + 60)
        async with open_database(site, clock.now()) as database:
            key = site.code_key_path.read_bytes()
            built = build(site, database, key, 1000, clock, CountedEntropy())
            built.source.current.refresh()
            yield Continued(built, site.machines, clock, site, database)

    async def poll(self, client: httpx2.AsyncClient, name: str) -> dict[str, Any]:
        """Poll for the token with the device code that the machine got from the older version."""
        code = self.known["machines"][name]["device_code"]
        form = {"client_id": "talos", "grant_type": DEVICE_GRANT, "device_code": code}
        answer: dict[str, Any] = (await client.post("/token", data=form)).json()
        return answer

    def bearer(self, token: str) -> dict[str, str]:
        """The header of an API token."""
        return {"Authorization": f"Bearer {self.known['tokens'][token]}"}

    def body(self, name: str) -> dict[str, str]:
        """The JSON body of a decision about a machine."""
        return {"code": self.known["machines"][name]["user_code"]}


def _add_certificate(machines: Path) -> None:
    (machines / "all" / "02-authority.yaml").write_text("machine:\n  ca: {crt: YQ==}\n")
    (machines / "control-plane" / "02-authority.yaml").write_text("machine:\n  ca: {crt: YQ==, key: YQ==}\n")


def older_site(version: str, kind: str, folder: Path, cluster: Cluster | None = None) -> OlderSite:
    """The site of ``version`` on ``kind`` ("sqlite", or "postgres" with a ``cluster``), in ``folder``."""
    made = FIXTURES / version
    with tarfile.open(made / f"{kind}.tar.gz") as packed:
        packed.extractall(folder, filter="data")
    config = folder / "bootgrant.toml"
    if version == VERSIONS[0]:
        # It did not check configurations as Talos does, and served these without a certificate.
        _add_certificate(folder / "machines")
    if cluster is not None:
        name = cluster.create()
        with psycopg.connect(cluster.url(name), autocommit=True) as connection:
            connection.execute((made / "postgres.sql").read_bytes())
        text = re.sub(r'(?m)^url = "postgresql:.*$', f'url = "{cluster.url(name)}"', config.read_text())
        config.write_text(re.sub(r"(?m)^password_file = .*$", 'password_file = ""', text, count=1))
    return OlderSite(config, json.loads((made / f"{kind}.json").read_text()))
