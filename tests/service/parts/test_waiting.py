"""What a server answers while its database is older than what it has seen: everybody waits, nobody decides."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind, Head
from bootgrant.approval.epoch import Seen
from bootgrant.machine_plane.token import PENDING
from bootgrant.operator_plane.app import PAGES
from bootgrant.service.parts.seen_file import SeenInFolder
from bootgrant.service.parts.waiting import Waiting, build_waiting
from bootgrant.service.settings.site import load_site
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.workflows.record.last_seen import LastSeen
from support.fakes import FakeClock
from support.grants import NOW
from support.machine import DEVICE_GRANT, TALOS
from support.site import as_user

pytestmark = pytest.mark.anyio
BEARER = {"Authorization": f"Bearer bootgrant_{'x' * 43}"}
POLL = {**TALOS, "grant_type": DEVICE_GRANT, "device_code": "x"}


@dataclass(slots=True)
class Held:
    """A site whose server has seen nine records of a database that has one."""

    database: SqliteDatabase
    waiting: Waiting
    finished: list[bool] = field(default_factory=list)

    def client(self) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(self.waiting.public, client=("10.20.0.11", 40000))
        return httpx2.AsyncClient(transport=transport, base_url="http://boot.example:8080")

    def admin(self) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(self.waiting.admin)
        return httpx2.AsyncClient(transport=transport, base_url="http://admin/api/v1", headers=as_user("root"))


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[Held]:
    config = tmp_path / "bootgrant.toml"
    config.write_text('public_url = "http://boot.example:8080"\n[networks]\nmachines = ["10.20.0.0/24"]\n')
    site = load_site(config)
    site.data.mkdir()
    SeenInFolder(site.data).write(Seen(head=Head(9, "f" * 64)))
    with SqliteDatabase(site.data, NOW) as database:
        await database.audit.append([AuditEvent(NOW, AuditKind.OPENED)])
        clock, finished = FakeClock(NOW), list[bool]()
        last = LastSeen(database.epochs, SeenInFolder(site.data), clock)
        await last.begin()
        waiting = build_waiting(site, database, last, clock, lambda: finished.append(True))
        yield Held(database, waiting, finished)


@pytest.mark.parametrize(
    ("method", "path", "form", "status", "text"),
    [
        ("POST", "/device/code", TALOS, 503, "temporarily_unavailable"),
        ("POST", "/token", POLL, PENDING.status, "authorization_pending"),
        ("POST", "/token", {**POLL, "client_id": "other"}, 401, "unknown client_id"),
        ("GET", "/config?uuid=x", None, 503, "server was restored, retrying"),
        ("GET", "/config/cp-1", None, 503, "server was restored, retrying"),
        ("POST", "/introspect", {"token": "x"}, 503, "restore --accept"),
        ("POST", "/revoke", {"token": "x"}, 503, "restore --accept"),
        ("GET", "/.well-known/oauth-authorization-server", None, 200, "/device/code"),
        ("GET", "/healthz", None, 200, "ok"),
        ("GET", "/readyz", None, 503, "not ready: the database is older"),
        ("GET", "/metrics", None, 503, "restore --accept"),
        ("POST", "/hooks/git", {}, 503, "restore --accept"),
        ("GET", "/api/v1/pending", None, 401, "bootgrant restore --accept"),
        ("POST", "/api/v1/restoration", None, 401, "bootgrant restore --accept"),
    ],
)
async def test_machines_and_programs_are_answered_so_that_they_try_again(
    held: Held, method: str, path: str, form: dict[str, str] | None, status: int, text: str
) -> None:
    async with held.client() as client:
        answer = await client.request(method, path, data=form, headers=None if form else BEARER)
    assert (answer.status_code, text in answer.text) == (status, True), answer.text


def test_a_console_shows_the_whole_reason() -> None:
    assert len("server was restored, retrying") <= 32


async def test_every_page_and_form_says_what_happened(held: Held) -> None:
    async with held.client() as client:
        for method, path, _, _ in PAGES:
            if path != "/static/{name}":
                answer = await client.request(method, path.replace("{", "").replace("}", ""))
                assert (answer.status_code, "bootgrant restore --accept" in answer.text) == (503, True), path
        answer = await client.get("/")
        style = next(part for part in answer.text.split('"') if part.startswith("/static/pages."))
        assert (await client.get(style)).headers["content-type"] == "text/css; charset=utf-8"
        assert (await client.get("/", headers={"host": "evil.example"})).status_code == 421


async def test_the_admin_socket_can_do_nothing_else(held: Held) -> None:
    async with held.admin() as admin:
        for method, path in (("GET", "/status"), ("POST", "/approve"), ("DELETE", "/tokens/ci"), ("PATCH", "/x")):
            answer = await admin.request(method, path)
            assert (answer.status_code, answer.json()["error"]) == (503, "restored"), path
            assert "bootgrant restore --accept" in answer.json()["message"], path


async def test_the_head_that_an_admin_noted_is_checked(held: Held) -> None:
    own = await held.database.audit.head()
    async with held.admin() as admin:
        assert (await admin.get("/restoration")).json()["missing"] == 8
        assert (await admin.get("/restoration", params={"head": str(own)})).json()["missing"] == 8
        noted = (await admin.get("/restoration", params={"head": f"12:{'e' * 64}"})).json()
        assert (noted["missing"], noted["noted"]) == (11, f"12:{'e' * 64}")
        other = await admin.post("/restoration", json={"head": f"1:{'e' * 64}"})
        assert (other.status_code, other.json()["error"]) == (409, "other_database")
        for body in (b'{"head": "x"}', b"[]", b"{", b'{"head": 5}'):
            assert (await admin.post("/restoration", content=body)).status_code == 400, body
        assert (await admin.post("/restoration", content=b"x" * 20_000)).status_code == 413
    assert not held.finished


async def test_the_server_starts_again_once_it_was_accepted(held: Held) -> None:
    await held.waiting.chore.step()
    assert [seen.head.seq for seen in await held.database.epochs.reports()] == [9]
    async with held.admin() as admin:
        accepted = (await admin.post("/restoration")).json()
    assert (accepted["epoch"], accepted["missing"], held.finished) == (2, 8, [True])
    await held.waiting.chore.step()
    assert held.finished == [True, True]
    assert not await held.database.epochs.reports()
