"""The wall clock is set forwards and backwards while machines ask and wait: no machine gets more than was approved, and
every machine can continue."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.faults import rounds
from support.grants import UUID
from support.ledger import Ledger, Life, config_of
from support.machine import DEVICE_GRANT, TALOS, approve, ask, deny, fetch, poll, token
from support.site import CONFIG, InProcess, site_in_process

pytestmark = pytest.mark.anyio
HOUR, DAY, YEAR = 3600.0, 86400.0, 365 * 86400.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[InProcess]:
    with site_in_process(tmp_path, "[grants]", 'hold = "0s"') as in_process:
        (in_process.machines / f"{UUID}.yaml").write_text(CONFIG)
        yield in_process


async def test_after_a_jump_forwards_a_waiting_machine_asks_again_and_is_served(site: InProcess) -> None:
    codes = await ask(site.client())
    site.clock.jump(YEAR)
    assert (await poll(site.client(), codes["device_code"])).json()["error"] == "expired_token"
    late = await site.admin().post("/api/v1/approve", json={"code": codes["user_code"]})
    assert late.status_code == 410
    assert (await fetch(site.client(), await token(site.client(), site.admin()))).text == CONFIG


async def test_after_a_jump_backwards_a_waiting_machine_is_approved_and_served(site: InProcess) -> None:
    codes = await ask(site.client())
    site.clock.jump(-YEAR)
    assert (await poll(site.client(), codes["device_code"])).json()["error"] == "authorization_pending"
    await approve(site.admin(), codes)
    issued = (await poll(site.client(), codes["device_code"])).json()
    assert issued["expires_in"] <= 4 * HOUR
    assert (await fetch(site.client(), issued["access_token"])).text == CONFIG


async def test_a_denial_by_a_clock_far_ahead_does_not_refuse_a_machine_for_a_year(site: InProcess) -> None:
    site.clock.jump(YEAR)
    await deny(site.admin(), await ask(site.client()))
    again = await site.client().post("/device/code", data=TALOS)
    assert again.json()["error"] == "access_denied"
    site.clock.jump(-YEAR)
    assert (await fetch(site.client(), await token(site.client(), site.admin()))).text == CONFIG


async def test_a_denied_code_stays_denied_however_the_clock_jumps(site: InProcess) -> None:
    codes = await ask(site.client())
    await deny(site.admin(), codes)
    for seconds in (-YEAR, HOUR, -HOUR, YEAR):
        site.clock.jump(seconds)
        assert "error" in (await poll(site.client(), codes["device_code"])).json()
        site.clock.advance(1)


async def test_a_held_poll_is_answered_on_time_however_the_wall_clock_jumps(tmp_path: Path) -> None:
    with site_in_process(tmp_path, "[grants]", 'hold = "1s"') as site:
        (site.machines / f"{UUID}.yaml").write_text(CONFIG)
        codes = await ask(site.client())
        held = asyncio.create_task(poll(site.client(), codes["device_code"]))
        site.clock.jump(-YEAR)
        async with asyncio.timeout(20):
            assert (await held).json()["error"] == "authorization_pending"
            await approve(site.admin(), codes)
            assert "access_token" in (await poll(site.client(), codes["device_code"])).json()


async def test_random_jumps_give_no_machine_what_was_not_approved(site: InProcess, seed: int) -> None:
    walk = Walk(site, random.Random(seed))
    for _ in range(rounds(400, 10_000)):
        await walk.step()
    site.clock.advance(DAY)
    await walk.step_of_a_new_machine()
    walk.ledger.check()
    served = [life for life in walk.ledger.lives if life.configs]
    print(f"{walk.jumps} jumps, {len(walk.ledger.lives)} requests, {len(served)} of them approved and configured")


class Walk:
    """Random steps of a few machines, with a jump of the clock now and then."""

    def __init__(self, site: InProcess, dice: random.Random) -> None:
        self.site, self.dice = site, dice
        self.ledger = Ledger()
        self.jumps = 0
        self.lives: list[tuple[Life, dict[str, str]]] = []
        self.machine = site.client()
        self.office = site.admin()

    async def step(self) -> None:
        if self.dice.random() < 0.1:
            self.jumps += 1
            self.site.clock.jump(self.dice.choice([-1, 1]) * self.dice.choice([1.0, 599.0, HOUR, DAY, YEAR]))
        self.site.clock.advance(self.dice.choice([0.5, 1.0, 30.0]))
        if not self.lives or self.dice.random() < 0.2:
            await self.ask(f"{self.dice.getrandbits(3):08x}-0000-4000-8000-000000000001")
            return
        life, codes = self.dice.choice(self.lives[-6:])
        if self.dice.random() < 0.3:
            await self.decide(life, codes)
        else:
            await self.poll(life, codes)

    async def step_of_a_new_machine(self) -> None:
        await self.ask("ffffffff-0000-4000-8000-00000000000f")
        life, codes = self.lives[-1]
        answer = await self.office.post("/api/v1/approve", json={"code": codes["user_code"]})
        assert answer.status_code == 200, answer.text
        life.decided, life.confirmed = "approve", True
        await self.poll(life, codes)

    async def ask(self, uuid: str) -> None:
        (self.site.machines / f"{uuid}.yaml").write_bytes(config_of(uuid))
        answer = await self.machine.post("/device/code", data={"client_id": "talos", "uuid": uuid})
        if answer.status_code == 200:
            life = Life(uuid, answer.json()["user_code"])
            self.lives.append((life, answer.json()))
            self.ledger.began(life)
        else:
            assert answer.json()["error"] == "access_denied", answer.text

    async def decide(self, life: Life, codes: dict[str, str]) -> None:
        step = self.dice.choice(["approve", "approve", "deny"])
        answer = await self.office.post(f"/api/v1/{step}", json={"code": codes["user_code"]})
        self.ledger.answered(f"{step} {answer.status_code}")
        assert answer.status_code in (200, 404, 409, 410), answer.text
        if answer.status_code == 200:
            assert not life.decided, f"{life} was decided twice"
            life.decided = step

    async def poll(self, life: Life, codes: dict[str, str]) -> None:
        form = {"client_id": "talos", "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
        answer = await self.machine.post("/token", data=form)
        self.ledger.answered(f"token {answer.status_code}")
        issued = answer.json().get("access_token")
        if issued:
            self.ledger.token(life, issued)
            await self.fetch(life, issued)

    async def fetch(self, life: Life, issued: str) -> None:
        answer: httpx2.Response = await fetch(self.machine, issued)
        if answer.status_code == 200:
            self.ledger.config(life, answer.content)
        else:
            assert answer.status_code == 401, answer.text
