"""Each background chore of a site survives an unforeseen error and works afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import httpx2
import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.chores import Chore
from bootgrant.service.parts.build import Built, build
from bootgrant.service.server.chores import Chores
from bootgrant.service.settings.site import load_site
from bootgrant.store.database import Database
from bootgrant.store.sqlite.database import SqliteDatabase
from support.fakes import CountedEntropy, FakeClock
from support.site import KEY

pytestmark = pytest.mark.anyio
MACHINE = {"client_id": "talos", "uuid": "40dcbd19-3b10-444e-bfff-aaee44a51fda"}
SETTINGS = """
public_url = "http://boot.example:8080"
[[notify]]
kind = "ntfy"
url = "http://127.0.0.1:9/topic"
[[audit.sinks]]
kind = "file"
path = "audit.jsonl"
"""


class Fault:
    """Every store and the clock raise while ``active``."""

    active = False

    def check(self) -> None:
        if self.active:
            raise ZeroDivisionError("unforeseen")


class FaultyStore:
    """A store of the database that raises during the fault."""

    def __init__(self, store: object, fault: Fault) -> None:
        self._store = store
        self._fault = fault

    def __getattr__(self, name: str) -> object:
        self._fault.check()
        return getattr(self._store, name)


class FaultyDatabase:
    """store.database.Database."""

    def __init__(self, database: Database, fault: Fault) -> None:
        self._database = database
        self._fault = fault

    def __getattr__(self, name: str) -> object:
        found = getattr(self._database, name)
        return found if name in ("counts", "chores") else FaultyStore(found, self._fault)


class FaultyClock(FakeClock):
    """ports.time.Clock."""

    def __init__(self, fault: Fault) -> None:
        super().__init__()
        self._fault = fault

    def steady(self) -> float:
        self._fault.check()
        return super().steady()


class Site:
    """A site in process whose parts fail on demand."""

    def __init__(self, built: Built, database: SqliteDatabase, fault: Fault, machines: Path) -> None:
        self.built = built
        self.database = database
        self.fault = fault
        self.machines = machines

    def chore(self, name: str) -> Chore:
        return next(chore for chore in self.built.chores if chore.name == name)

    async def machine_asks(self) -> None:
        transport = httpx2.ASGITransport(self.built.public, client=("10.20.0.11", 40000))
        async with httpx2.AsyncClient(transport=transport, base_url="http://boot.example:8080") as client:
            assert (await client.post("/device/code", data=MACHINE)).status_code == 200

    async def recorded(self, *kinds: AuditKind) -> int:
        return len(await self.database.audit.newest(AuditFilter(kinds=kinds), 10))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    config = tmp_path / "bootgrant.toml"
    config.write_text(SETTINGS)
    settings = load_site(config)
    settings.data.mkdir()
    settings.machines.mkdir()
    (settings.machines / "machines.yaml").write_text("entries: []\n")
    fault = Fault()
    clock = FaultyClock(fault)
    with SqliteDatabase(settings.data, clock.now()) as database:
        faulty = cast("Database", FaultyDatabase(database, fault))
        yield Site(build(settings, faulty, KEY, 1000, clock, CountedEntropy()), database, fault, settings.machines)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def test_every_chore_of_the_site_is_named_here(site: Site) -> None:
    assert {chore.name for chore in site.built.chores} == {
        "check of the store",
        "automatic approvals",
        "recording of requests",
        "recording of refused sign-ins",
        "recording of refused tokens",
        "recording of codes presented again",
        "reading of configurations",
        "recording of revisions",
        "retention",
        "live pages",
        "notifications",
        "push messages",
        "previews of deliveries",
        "taking back of values",
        "audit sink file",
    }


@pytest.mark.parametrize(
    "name",
    [
        "check of the store",
        "automatic approvals",
        "reading of configurations",
        "recording of revisions",
        "recording of requests",
        "retention",
        "live pages",
        "notifications",
        "audit sink file",
    ],
)
async def test_a_chore_that_met_an_unforeseen_error_works_again(site: Site, name: str) -> None:
    await asyncio.to_thread(site.built.source.current.refresh)
    await site.machine_asks()
    page = asyncio.create_task(site.built.watching.queue("something else", 20.0))
    await asyncio.sleep(0)
    site.fault.active = True
    chore = site.chore(name)
    chores = Chores([chore], (0.0, 0.0))
    chores.start()
    await until(lambda: chore.failures >= 3)
    assert chore.reason == "ZeroDivisionError"
    site.fault.active = False
    await until(lambda: chore.in_a_row == 0)
    await chores.stop()
    if name == "recording of requests":
        assert await site.recorded(AuditKind.OPENED) == 1
    if name == "recording of revisions":
        assert await site.recorded(AuditKind.CONFIG_SNAPSHOT) == 1
    if name == "live pages":
        assert isinstance(await page, str)
    page.cancel()


async def test_readyz_and_metrics_name_a_chore_while_it_keeps_failing(site: Site) -> None:
    chore = site.chore("notifications")
    chore.failures, chore.in_a_row, chore.reason = 7, 3, "ZeroDivisionError"
    transport = httpx2.ASGITransport(site.built.public, client=("127.0.0.1", 40000))
    await asyncio.to_thread(site.built.source.current.refresh)
    async with httpx2.AsyncClient(transport=transport, base_url="http://boot.example:8080") as client:
        ready = await client.get("/readyz")
        metrics = (await client.get("/metrics")).text
    assert (ready.status_code, ready.text.strip()) == (
        200,
        "ready; notifications failed 3 times in a row (ZeroDivisionError)",
    )
    assert 'bootgrant_chore_failures_total{chore="notifications"} 7.0' in metrics
    assert 'bootgrant_chore_failing{chore="notifications"} 1.0' in metrics
    assert 'bootgrant_chore_failing{chore="retention"} 0.0' in metrics
