"""``/healthz`` and ``/readyz``, for supervisors and load balancers."""

from __future__ import annotations

import pytest

from support.layered_site import write_machines
from support.site import InProcess

pytestmark = pytest.mark.anyio
BROKEN = "machines: [\n"


async def test_a_healthy_server_is_ready(site: InProcess) -> None:
    assert (await site.client().get("/readyz")).text == "ready\n"
    assert (await site.client().head("/readyz")).status_code == 200
    assert (await site.client().post("/readyz")).status_code == 405


async def test_a_stopping_server_is_healthy_but_not_ready(site: InProcess) -> None:
    site.built.held.drain()
    answer = await site.client().get("/readyz")
    assert (answer.status_code, answer.text) == (503, "not ready: the server is stopping\n")
    assert (await site.client().get("/healthz")).status_code == 200


async def test_a_server_without_its_configurations_is_not_ready(site: InProcess) -> None:
    away = site.machines.rename(site.machines.with_name("away"))
    answer = await site.client().get("/readyz")
    assert answer.status_code == 503
    assert str(site.machines) in answer.text
    away.rename(site.machines)
    assert (await site.client().get("/readyz")).status_code == 200


async def test_a_server_with_a_read_only_store_is_neither_healthy_nor_ready(site: InProcess) -> None:
    site.database.file._writing.execute("PRAGMA query_only = ON")
    await site.chore("check of the store").step()
    for path, word in (("/healthz", "not ok: "), ("/readyz", "not ready: ")):
        answer = await site.client().get(path)
        assert (answer.status_code, answer.text.startswith(word)) == (503, True)
    site.database.file._writing.execute("PRAGMA query_only = OFF")
    await site.chore("check of the store").step()
    assert [(await site.client().get(path)).status_code for path in ("/healthz", "/readyz")] == [200, 200]


async def test_an_answer_about_health_writes_nothing(site: InProcess) -> None:
    def writes() -> int:
        [(version,)] = site.database.file.read("PRAGMA data_version")
        return int(version) + site.database.file._writing.total_changes

    before = writes()
    for path in ("/healthz", "/readyz") * 20:
        assert (await site.client("203.0.113.9").get(path)).status_code == 200
    assert writes() == before
    await site.chore("check of the store").step()
    assert writes() > before


async def test_a_server_whose_configurations_become_invalid_stays_ready(site: InProcess) -> None:
    model = write_machines(site.machines) / "machines.yaml"
    site.clock.advance(2)
    assert (await site.client().get("/readyz")).status_code == 200
    model.write_text(BROKEN)
    site.clock.advance(2)
    assert (await site.client().get("/readyz")).status_code == 200


async def test_a_server_whose_configurations_were_never_valid_is_not_ready(site: InProcess) -> None:
    (site.machines / "machines.yaml").write_text(BROKEN)
    site.clock.advance(2)
    answer = await site.client().get("/readyz")
    assert (answer.status_code, answer.text.startswith("not ready: ")) == (503, True)
    assert "machines.yaml" in answer.text
