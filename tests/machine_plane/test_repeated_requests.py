"""Repeated requests, two machines with one identity, floods, and the lifetime of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.grants import MAC, UUID
from support.machine import TALOS, approve, ask, deny, fetch, poll, token
from support.site import CONFIG, InProcess, site_in_process

pytestmark = pytest.mark.anyio


async def queue(site: InProcess) -> list[dict[str, object]]:
    answer = await site.admin().get("/api/v1/pending")
    rows: list[dict[str, object]] = answer.json()["pending"]
    return rows


async def test_a_repeated_request_replaces_the_machines_older_one(site: InProcess) -> None:
    first = await ask(site.client())
    second = await ask(site.client())
    assert [row["code"] for row in await queue(site)] == [second["user_code"]]
    assert (await poll(site.client(), first["device_code"])).json()["error"] == "expired_token"


async def test_a_request_from_another_address_replaces_nothing(site: InProcess) -> None:
    mine = await ask(site.client("10.20.0.11"))
    await ask(site.client("10.66.6.6"))
    assert len(await queue(site)) == 2
    await approve(site.admin(), mine)
    assert (await poll(site.client("10.20.0.11"), mine["device_code"])).status_code == 200


async def test_a_denied_machine_is_refused_automatically_during_the_cooldown(site: InProcess) -> None:
    codes = await ask(site.client())
    await deny(site.admin(), codes, "wrong rack")
    site.clock.advance(60)
    again = await site.client().post("/device/code", data=TALOS)
    assert (again.status_code, again.json()["error"]) == (400, "access_denied")
    assert again.json()["error_description"] == "wrong rack; ask again in 9 min"
    assert again.headers["retry-after"] == "540"
    denied = await poll(site.client(), codes["device_code"])
    assert (denied.json()["error"], denied.headers["retry-after"]) == ("access_denied", "540")
    assert await queue(site) == []
    site.clock.advance(600)
    await ask(site.client())
    assert len(await queue(site)) == 1


async def test_an_undenied_machine_may_ask_at_once(site: InProcess) -> None:
    codes = await ask(site.client())
    await deny(site.admin(), codes, "wrong rack")
    undenied = await site.admin().post("/api/v1/undeny", json={"code": codes["user_code"]})
    assert undenied.status_code == 200, undenied.text
    old = await poll(site.client(), codes["device_code"])
    assert old.json()["error"] == "access_denied"
    assert "retry-after" not in old.headers
    again = await ask(site.client())
    assert [row["code"] for row in await queue(site)] == [again["user_code"]]


async def test_a_denied_machine_is_refused_even_if_it_sends_fewer_variables(site: InProcess) -> None:
    await deny(site.admin(), await ask(site.client()))
    again = await site.client().post("/device/code", data={"client_id": "talos", "uuid": UUID})
    assert again.json()["error"] == "access_denied"
    assert await queue(site) == []
    await ask(site.client("10.66.6.6"), uuid=UUID)
    assert len(await queue(site)) == 1


async def test_a_denial_does_not_affect_other_machines(site: InProcess) -> None:
    await deny(site.admin(), await ask(site.client()))
    await ask(site.client(), serial="0OCZJ19N65")
    assert len(await queue(site)) == 1


async def test_a_token_stops_working_a_grace_period_after_the_first_delivery(site: InProcess) -> None:
    access_token = await token(site.client(), site.admin())
    site.clock.advance(3600)
    assert (await fetch(site.client(), access_token)).status_code == 200
    site.clock.advance(14 * 60)
    assert (await fetch(site.client(), access_token)).text == CONFIG
    site.clock.advance(2 * 60)
    answer = await fetch(site.client(), access_token)
    assert (answer.status_code, answer.text) == (401, "token used: ask again\n")


async def test_a_refused_download_does_not_use_up_the_token(site: InProcess) -> None:
    access_token = await token(site.client(), site.admin())
    assert (await fetch(site.client("203.0.113.9"), access_token)).status_code == 403
    assert (
        await fetch(site.client(), access_token, "/config?uuid=7b2f3f60-52c1-4e0f-8a6d-0d5f1c3e9a11")
    ).status_code == 403
    site.clock.advance(3 * 3600)
    assert (await fetch(site.client(), access_token)).text == CONFIG


async def test_each_delivery_is_stored_with_address_and_digest(site: InProcess) -> None:
    access_token = await token(site.client(), site.admin())
    await fetch(site.client("10.20.0.11"), access_token)
    await fetch(site.client("10.20.0.12"), access_token)
    (grant_id,) = site.database.file.read("SELECT grant_id FROM grants")[0]
    kept = await site.database.grants.deliveries(grant_id)
    assert [delivery.address for delivery in kept] == ["10.20.0.11", "10.20.0.12"]
    assert {(len(delivery.sha256), delivery.size) for delivery in kept} == {(64, len(CONFIG))}


async def test_a_uuid_in_the_other_byte_order_is_the_same_machine(site: InProcess) -> None:
    swapped = "19bddc40-103b-4e44-bfff-aaee44a51fda"
    access_token = await token(site.client(), site.admin(), uuid=swapped)
    assert (await fetch(site.client(), access_token, f"/config?uuid={UUID}")).text == CONFIG


@pytest.fixture
def small_site(tmp_path: Path) -> Iterator[InProcess]:
    with site_in_process(tmp_path, "[limits]", "pending_per_address = 3", "pending = 5") as site:
        yield site


async def test_a_flood_from_one_address_does_not_affect_others(small_site: InProcess) -> None:
    flood = [
        (await small_site.client("10.66.6.6").post("/device/code", data={"client_id": "talos", "serial": f"X{n}"}))
        for n in range(5)
    ]
    assert [answer.status_code for answer in flood] == [200, 200, 200, 429, 429]
    assert flood[-1].json()["error"] == "temporarily_unavailable"
    await ask(small_site.client("10.20.0.11"))
    assert len(await queue(small_site)) == 4


async def test_decided_and_expired_requests_make_room(small_site: InProcess) -> None:
    codes = [await ask(small_site.client(), serial=f"X{n}") for n in range(3)]
    full = await small_site.client().post("/device/code", data=TALOS)
    assert full.status_code == 429
    await deny(small_site.admin(), codes[0])
    await ask(small_site.client(), mac=MAC)
    small_site.clock.advance(601)
    for number in range(3):
        await ask(small_site.client(), serial=f"Y{number}")


async def test_a_waiting_machine_can_repeat_its_request_even_if_the_queue_is_full(small_site: InProcess) -> None:
    codes = [await ask(small_site.client(), serial=f"X{n}") for n in range(3)]
    again = await ask(small_site.client(), serial="X1")
    assert again["user_code"] != codes[1]["user_code"]
    full = await small_site.client().post("/device/code", data=TALOS)
    assert (full.status_code, len(await queue(small_site))) == (429, 3)
    await ask(small_site.client("10.20.0.98"), serial="Y1")
    await ask(small_site.client("10.20.0.99"), serial="Y2")
    await ask(small_site.client("10.20.0.99"), serial="Y2")
    assert (await small_site.client("10.20.0.97").post("/device/code", data=TALOS)).status_code == 429


async def test_too_many_repeated_requests_are_refused_without_affecting_others(
    small_site: InProcess,
) -> None:
    for _ in range(12):
        await ask(small_site.client())
    answer = await small_site.client().post("/device/code", data=TALOS)
    assert (answer.status_code, answer.json()["error"]) == (429, "temporarily_unavailable")
    assert len(await queue(small_site)) == 1
    await ask(small_site.client("10.20.0.99"), serial="0OCZJ19N65")
    small_site.clock.advance(601)
    await ask(small_site.client())


async def test_an_ipv6_network_of_64_bits_counts_as_one_address(small_site: InProcess) -> None:
    for number in range(3):
        await ask(small_site.client(f"fd00::{number}:1"), serial=f"X{number}")
    form = {"client_id": "talos", "serial": "X3"}
    assert (await small_site.client("fd00::4:1").post("/device/code", data=form)).status_code == 429
    assert (await small_site.client("fd00:0:0:1::1").post("/device/code", data=form)).status_code == 200


async def test_ended_requests_are_deleted_and_delivered_ones_kept_as_history(site: InProcess) -> None:
    await fetch(site.client(), await token(site.client(), site.admin()))
    await ask(site.client(), serial="0OCZJ19N65")
    site.clock.advance(30 * 86400)
    await site.chore("retention").step()
    rows = site.database.file.read("SELECT state FROM grants")
    assert rows == [("delivered",)]
    site.clock.advance(90 * 86400)
    await site.chore("retention").step()
    assert site.database.file.read("SELECT count(*) FROM grants")[0] == (0,)
    assert site.database.file.read("SELECT count(*) FROM deliveries")[0] == (0,)
