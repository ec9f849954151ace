"""``POST /token``: pending, approved, denied and expired requests, Talos's pairs, held polls."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

from support.grants import UUID
from support.machine import DEVICE_GRANT, TALOS, approve, ask, deny, poll
from support.site import CONFIG, InProcess, site_in_process

pytestmark = pytest.mark.anyio
EMPTY_PASSWORD = {"Authorization": "Basic " + base64.b64encode(b"talos:").decode()}


async def test_a_pending_request_gets_authorization_pending(site: InProcess) -> None:
    codes = await ask(site.client())
    answer = await poll(site.client(), codes["device_code"])
    assert (answer.status_code, answer.json()) == (400, {"error": "authorization_pending"})
    assert answer.headers["content-type"] == "application/json"


async def test_an_approved_machine_always_gets_the_same_token(site: InProcess) -> None:
    codes = await ask(site.client())
    await approve(site.admin(), codes)
    answers = [(await poll(site.client(), codes["device_code"])).json() for _ in range(3)]
    assert answers[0]["token_type"] == "Bearer"
    assert answers[0]["expires_in"] == 4 * 3600
    assert len({answer["access_token"] for answer in answers}) == 1


async def test_both_requests_of_a_talos_poll_get_the_same_answer(site: InProcess) -> None:
    codes = await ask(site.client())
    for _ in range(30):
        halves = [await poll(site.client(), codes["device_code"], headers=h) for h in (EMPTY_PASSWORD, {})]
        assert [half.json()["error"] for half in halves] == ["authorization_pending"] * 2
        site.clock.advance(1)


async def test_a_client_that_polls_too_fast_is_slowed_down_but_not_locked_out(site: InProcess) -> None:
    codes = await ask(site.client())
    errors = [(await poll(site.client(), codes["device_code"])).json()["error"] for _ in range(30)]
    assert "slow_down" in errors
    site.clock.advance(6)
    assert (await poll(site.client(), codes["device_code"])).json()["error"] == "authorization_pending"


async def test_a_denial_is_repeatable_and_contains_the_reason(site: InProcess) -> None:
    codes = await ask(site.client())
    await deny(site.admin(), codes, "wrong rack,\nask ana")
    for headers in (EMPTY_PASSWORD, {}):
        answer = await poll(site.client(), codes["device_code"], headers=headers)
        assert answer.json() == {"error": "access_denied", "error_description": "wrong rack, ask ana"}


async def test_an_expired_code_gets_expired_token(site: InProcess) -> None:
    codes = await ask(site.client())
    site.clock.advance(601)
    assert (await poll(site.client(), codes["device_code"])).json()["error"] == "expired_token"


async def test_the_variables_that_talos_repeats_cannot_change_the_identity(site: InProcess) -> None:
    codes = await ask(site.client())
    form = {**TALOS, "uuid": "11111111-2222-4333-8444-555555555555", "code": "typed", "grant_type": DEVICE_GRANT}
    await site.client().post("/token", data={**form, "device_code": codes["device_code"]})
    (grant,) = await site.database.grants.pending_grants(site.clock.now(), 10)
    assert grant.identity.uuid == UUID


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"device_code": "unknown"}, "invalid_grant"),
        ({"device_code": ""}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "authorization_code"}, "unsupported_grant_type"),
        ({"client_id": "stranger"}, "invalid_client"),
    ],
)
async def test_an_invalid_request_gets_its_rfc_error(site: InProcess, changes: dict[str, str], error: str) -> None:
    codes = await ask(site.client())
    form = {**TALOS, "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
    answer = await site.client().post("/token", data=form | changes)
    assert answer.json()["error"] == error
    assert 400 <= answer.status_code < 500


async def test_a_device_code_of_another_client_is_unknown(tmp_path: Path) -> None:
    with site_in_process(tmp_path, "clients = [{id = 'talos'}, {id = 'other'}]") as site:
        codes = await ask(site.client())
        form = {"client_id": "other", "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
        assert (await site.client().post("/token", data=form)).json()["error"] == "invalid_grant"


async def test_a_held_poll_is_answered_when_the_decision_is_made(tmp_path: Path) -> None:
    with site_in_process(tmp_path, "[grants]", 'hold = "1h"', 'lifetime = "2h"') as site:
        (site.machines / f"{UUID}.yaml").write_text(CONFIG)
        codes = await ask(site.client())
        held = [asyncio.create_task(poll(site.client(), codes["device_code"])) for _ in range(2)]
        while len(site.built.held) < 2:
            await asyncio.sleep(0)
        await approve(site.admin(), codes)
        answers = await asyncio.wait_for(asyncio.gather(*held), 10)
        assert {answer.status_code for answer in answers} == {200}
        assert len(site.built.held) == 0


async def test_a_held_poll_ends_with_pending_when_the_server_stops(tmp_path: Path) -> None:
    with site_in_process(tmp_path, "[grants]", 'hold = "1h"', 'lifetime = "2h"') as site:
        codes = await ask(site.client())
        held = asyncio.create_task(poll(site.client(), codes["device_code"]))
        while len(site.built.held) < 1:
            await asyncio.sleep(0)
        site.built.held.drain()
        assert (await asyncio.wait_for(held, 10)).json()["error"] == "authorization_pending"


async def test_a_poll_is_held_no_longer_than_the_setting(tmp_path: Path) -> None:
    with site_in_process(tmp_path, "[grants]", 'hold = "50ms"') as site:
        codes = await ask(site.client())
        answer = await asyncio.wait_for(poll(site.client(), codes["device_code"]), 10)
        assert answer.json()["error"] == "authorization_pending"


async def test_a_store_failure_keeps_the_machine_waiting(site: InProcess) -> None:
    codes = await ask(site.client())
    site.database.file._reading.close()
    answer = await poll(site.client(), codes["device_code"])
    assert (answer.status_code, answer.json()["error"]) == (400, "authorization_pending")
