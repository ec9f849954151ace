"""`GET /metrics`: its values, who may read them, and the dashboard."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families as prometheus

from bootgrant.service.metrics.table import CERTIFICATE, METRICS, Kind
from support.grants import MAC, UUID
from support.machine import ask, deny, fetch, poll, token
from support.site import CONFIG, InProcess, site_in_process

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).resolve().parents[2]
Values = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[InProcess]:
    with site_in_process(tmp_path, "[grants]", 'hold = "0s"') as made:
        (made.machines / f"{UUID}.yaml").write_text(CONFIG)
        yield made


async def scrape(site: InProcess, address: str = "10.0.0.9", **headers: str) -> httpx2.Response:
    async with site.client(address) as client:
        return await client.get("/metrics", headers=headers)


async def values(site: InProcess) -> Values:
    page = (await scrape(site)).text
    samples = [sample for family in prometheus(page) for sample in family.samples]
    return {(sample.name, tuple(sample.labels.values())): sample.value for sample in samples}


async def test_the_metrics_follow_a_machine_from_request_to_delivery(site: InProcess) -> None:
    async with site.client() as client, site.admin() as admin:
        await ask(client, serial="A1")
        site.clock.advance(30)
        waiting = await values(site)
        access_token = await token(client, admin)
        approved = await values(site)
        assert (await fetch(client, access_token)).status_code == 200
    delivered = await values(site)
    assert (waiting["bootgrant_pending", ()], waiting["bootgrant_pending_oldest_seconds", ()]) == (1, 30)
    assert (approved["bootgrant_approved_unfetched", ()], delivered["bootgrant_approved_unfetched", ()]) == (1, 0)
    assert delivered["bootgrant_grant_steps_total", ("delivered",)] == 1
    assert delivered["bootgrant_decision_seconds_count", ()] == 1
    assert delivered["bootgrant_delivery_seconds_count", ()] == 1
    assert delivered["bootgrant_store_seconds_count", ()] > 0


async def test_answers_and_refusals_are_counted_by_endpoint(site: InProcess) -> None:
    async with site.client() as client, site.admin() as admin:
        codes = await ask(client)
        await poll(client, codes["device_code"])
        await deny(admin, codes)
        await poll(client, codes["device_code"])
        await client.post("/device/code", data={"client_id": "nobody", "uuid": UUID, "mac": MAC})
        await fetch(client, "no-token")
        await client.get("/no/such/page/of/a/stranger")
    async with site.client("203.0.113.9") as outside:
        await outside.post("/device/code", data={"client_id": "talos", "uuid": UUID})
    found = await values(site)
    assert found["bootgrant_answers_total", ("/device/code", "200")] == 1
    assert found["bootgrant_answers_total", ("/token", "400")] == 2
    assert found["bootgrant_answers_total", ("other", "404")] == 1
    refused = {labels: count for (name, labels), count in found.items() if name == "bootgrant_refusals_total"}
    assert refused == {
        ("/token", "access_denied"): 1,
        ("/device/code", "invalid_client"): 1,
        ("/device/code", "network"): 1,
        ("/config", "invalid_token"): 1,
    }


async def test_exactly_the_metrics_of_the_table_are_served(site: InProcess) -> None:
    (site.machines / "machines.yaml").write_text("entries: []\n")
    site.built.source.current.refresh()
    page = (await scrape(site)).text
    served = {(family.name, family.type) for family in prometheus(page) if family.name.startswith("bootgrant")}
    # This site has no certificate.
    usual = [metric for metric in METRICS if metric is not CERTIFICATE]
    assert served == {(metric.name.removesuffix("_total"), metric.kind.value) for metric in usual}
    assert all(metric.name.endswith("_total") is (metric.kind is Kind.COUNTER) for metric in METRICS)


async def test_unusable_configurations_are_a_metric(site: InProcess) -> None:
    (site.machines / "machines.yaml").write_text("entries: []\n")
    site.built.source.current.refresh()
    site.clock.advance(90)
    well = await values(site)
    (site.machines / "machines.yaml").write_text("entries: {\n")
    site.built.source.current.refresh()
    broken = await values(site)
    assert (well["bootgrant_configurations_age_seconds", ()], well["bootgrant_configurations_failed", ()]) == (90, 0)
    assert broken["bootgrant_configurations_failed", ()] == 1


async def test_openmetrics_is_served_on_request(site: InProcess) -> None:
    page = await scrape(site, accept="application/openmetrics-text; version=1.0.0")
    assert page.headers["content-type"].startswith("application/openmetrics-text")
    assert "# TYPE bootgrant_pending gauge" in page.text
    assert page.text.endswith("# EOF\n")


async def test_a_public_address_is_refused(site: InProcess) -> None:
    assert (await scrape(site, "203.0.113.9")).status_code == 403
    passed_on = await scrape(site, "127.0.0.1", **{"x-forwarded-for": "203.0.113.9"})
    assert passed_on.status_code == 403
    assert "networks.trusted_proxies" in passed_on.text


async def test_behind_a_trusted_proxy_the_client_address_decides(tmp_path: Path) -> None:
    with site_in_process(tmp_path, "[networks]", 'trusted_proxies = ["127.0.0.1/32"]') as site:
        outside = await scrape(site, "127.0.0.1", **{"x-forwarded-for": "203.0.113.9"})
        inside = await scrape(site, "127.0.0.1", **{"x-forwarded-for": "10.1.2.3"})
    assert (outside.status_code, inside.status_code) == (403, 200)


async def test_an_unavailable_database_is_a_metric_not_an_error(site: InProcess) -> None:
    site.database.file._disk.shutdown()
    found = await values(site)
    assert found["bootgrant_store_up", ()] == 0
    assert ("bootgrant_pending", ()) not in found
    assert found["bootgrant_held_polls", ()] == 0


def test_the_dashboard_uses_existing_metrics() -> None:
    dashboard = json.loads((ROOT / "packaging/grafana/bootgrant.json").read_text())
    known = {metric.name for metric in METRICS} | {"process_cpu_seconds_total"}
    known |= {f"{m.name}_{end}" for m in METRICS if m.kind is Kind.HISTOGRAM for end in ("bucket", "sum", "count")}
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    names = {name for expr in asked for name in re.findall(r"\b(?:bootgrant|process)_\w+", expr)}
    assert names <= known
    assert {metric.name for metric in METRICS} - names <= {name for name in known if "info" in name or "up" in name} | {
        "bootgrant_store_failures_total", *(m.name for m in METRICS if m.kind is Kind.HISTOGRAM),
    }  # fmt: skip
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
