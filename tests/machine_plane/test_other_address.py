"""``grants.bind_address``: what machines get, and what people see on the pages, in the API and in the metrics."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.ports.audit import AuditFilter
from bootgrant.service.settings.setting import SettingsError
from support.grants import UUID
from support.machine import ask, fetch, token
from support.office import Office, text_of
from support.site import CONFIG, InProcess, site_in_process

pytestmark = pytest.mark.anyio
ASKED, OTHER = "10.20.0.11", "10.99.0.7"
OLD_STYLE = ("[grants]", 'hold = "0s"')
REFUSE = (*OLD_STYLE, 'bind_address = "refuse"')


def prepared(site: InProcess) -> InProcess:
    (site.machines / f"{UUID}.yaml").write_text(CONFIG)
    return site


async def request(site: InProcess) -> dict[str, object]:
    """Return the only request, as the API shows it."""
    (row,) = site.database.file.read("SELECT grant_id FROM grants WHERE state != 'pending'")
    shown: dict[str, object] = (await site.admin().get(f"/api/v1/requests/{row[0]}")).json()["request"]
    return shown


async def metric(site: InProcess, outcome: str) -> str:
    page = (await site.client("10.0.0.9").get("/metrics")).text
    line = f'bootgrant_other_address_total{{outcome="{outcome}"}} '
    return next(found.removeprefix(line) for found in page.splitlines() if found.startswith(line))


async def test_a_token_at_another_address_is_flagged_everywhere(tmp_path: Path) -> None:
    with site_in_process(tmp_path, *OLD_STYLE) as site:
        access_token = await token(prepared(site).client(ASKED), site.admin())
        answer = await fetch(site.client(OTHER), access_token)
        assert (answer.status_code, answer.text) == (200, CONFIG)
        shown = await request(site)
        assert shown["elsewhere"] == [{"address": OTHER, "at": site.clock.now(), "refused": False}]
        assert (await metric(site, "sent"), await metric(site, "refused")) == ("1.0", "0.0")
        page = text_of(await (await Office(site).person()).open(f"/requests/{shown['id']}"))
        assert "Used at another address" in page
        assert f"{ASKED} asked, but the machine" in page
        assert f"token was used at {OTHER}" in page
        kinds = (AuditKind.OTHER_ADDRESS, AuditKind.DELIVERED)
        records = await site.database.audit.newest(AuditFilter(kinds=kinds), 10)
        assert [(one.event.kind, one.event.details["requested_from"]) for one in records] == [
            (AuditKind.DELIVERED, ASKED), (AuditKind.OTHER_ADDRESS, ASKED),
        ]  # fmt: skip


async def test_a_site_that_refuses_other_addresses_says_so_and_serves_the_machine(tmp_path: Path) -> None:
    with site_in_process(tmp_path, *REFUSE) as site:
        access_token = await token(prepared(site).client(ASKED), site.admin())
        answer = await fetch(site.client(OTHER), access_token)
        assert (answer.status_code, answer.text) == (403, "not from the address that asked\n")
        assert len(answer.content) <= 32
        assert (await fetch(site.client(ASKED), access_token)).text == CONFIG
        shown = await request(site)
        assert shown["elsewhere"] == [{"address": OTHER, "at": site.clock.now(), "refused": True}]
        assert (await metric(site, "sent"), await metric(site, "refused")) == ("0.0", "1.0")
        page = text_of(await (await Office(site).person()).open(f"/requests/{shown['id']}"))
        assert "and was refused there" in page


async def test_the_next_request_of_that_machine_is_pending_with_a_mismatch(tmp_path: Path) -> None:
    with site_in_process(tmp_path, *REFUSE) as site:
        access_token = await token(prepared(site).client(ASKED), site.admin())
        await fetch(site.client(OTHER), access_token)
        codes = await ask(site.client(ASKED))
        (pending,) = (await site.admin().get("/api/v1/pending")).json()["pending"]
        assert pending["code"] == codes["user_code"]
        details = [check["detail"] for check in pending["evidence"] if check["verdict"] == "mismatch"]
        assert any(f"from {ASKED} was used at {OTHER}" in detail for detail in details)
        past = (await site.admin().get(f"/api/v1/requests/{pending['id']}")).json()["past"]
        assert [(use["address"], use["requested_from"]) for use in past["elsewhere"]] == [(OTHER, ASKED)]
        page = text_of(await (await Office(site).person()).open(f"/requests/{pending['id']}"))
        assert f"token used at {OTHER}, but {ASKED} had asked" in page


async def test_behind_a_trusted_proxy_the_addresses_of_the_machines_count(tmp_path: Path) -> None:
    proxies = ("[networks]", 'trusted_proxies = ["127.0.0.1/32"]', *REFUSE)
    with site_in_process(tmp_path, *proxies) as site:
        prepared(site)

        def through_proxy(machine: str) -> httpx2.AsyncClient:
            client = site.client("127.0.0.1")
            client.headers["x-forwarded-for"] = machine
            return client

        access_token = await token(through_proxy(ASKED), site.admin())
        assert (await fetch(through_proxy(OTHER), access_token)).status_code == 403
        assert (await fetch(site.client("127.0.0.1"), access_token)).status_code == 403
        assert (await fetch(through_proxy(ASKED), access_token)).text == CONFIG
        assert (await fetch(site.client(ASKED), access_token)).text == CONFIG


async def test_an_unknown_value_is_an_error_that_names_the_known_ones(tmp_path: Path) -> None:
    with (
        pytest.raises(SettingsError, match=r"grants\.bind_address.*flag.*refuse"),
        site_in_process(tmp_path, "[grants]", 'bind_address = "warn"'),
    ):
        raise AssertionError("the site was built")
