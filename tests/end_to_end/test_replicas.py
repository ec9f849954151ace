"""Two servers on one PostgreSQL: machines and people can use either of them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.grants import MAC, UUID
from support.machine import DEVICE_GRANT, TALOS
from support.postgres_cluster import Cluster
from support.replicas import copied, two_servers
from support.site import CONFIG, Served, booting, wait_until

Two = tuple[Served, Served]


@pytest.fixture
def two(tmp_path: Path, postgres: Cluster) -> Iterator[Two]:
    with two_servers(tmp_path, postgres) as servers:
        yield servers


def ask(site: Served) -> dict[str, Any]:
    answer = httpx2.post(f"{site.url}/device/code", data=TALOS)
    assert answer.status_code == 200, answer.text
    codes: dict[str, Any] = answer.json()
    return codes


def poll(site: Served, codes: dict[str, Any]) -> dict[str, Any]:
    form = {**TALOS, "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}
    answer: dict[str, Any] = httpx2.post(f"{site.url}/token", data=form, timeout=60).json()
    return answer


def fetch(site: Served, token: dict[str, Any]) -> httpx2.Response:
    return httpx2.get(f"{site.url}/config", headers={"Authorization": f"Bearer {token['access_token']}"}, timeout=60)


def test_a_decision_on_one_server_answers_a_machine_waiting_on_the_other(two: Two) -> None:
    here, there = two
    codes = ask(here)
    waiting = json.loads(there.command("pending", "--json").stdout)["pending"]
    assert [(row["code"], row["identity"]) for row in waiting] == [(codes["user_code"], {"uuid": UUID, "mac": MAC})]
    with ThreadPoolExecutor() as pool:
        held = pool.submit(poll, here, codes)
        assert there.command("approve", codes["user_code"]).returncode == 0
        decided = time.monotonic()
        token = held.result(30)
        # Much sooner than the periodic check of the table, which is only the fallback for lost notifications.
        assert time.monotonic() - decided < 5
    assert poll(there, codes)["access_token"] == token["access_token"]
    assert [fetch(site, token).text for site in two] == [CONFIG, CONFIG]


def test_a_machine_continues_on_the_other_server_when_its_own_is_killed(two: Two) -> None:
    here, there = two
    codes = ask(here)
    here.kill()
    assert there.command("approve", codes["user_code"]).returncode == 0
    token = poll(there, codes)
    here.start()
    assert fetch(here, token).text == CONFIG
    again = there.command("deny", codes["user_code"], "--reason", "too late")
    assert "already approved by" in again.stderr


def test_a_machine_gets_an_approval_made_while_its_server_was_down(two: Two, tmp_path: Path) -> None:
    here, there = two
    with booting(here.url, tmp_path) as machine:
        code = machine.code()
        here.kill()
        assert there.command("approve", code).returncode == 0
        here.start()
        assert machine.delivered() == CONFIG
        assert machine.codes() == [code]


def test_a_crash_of_postgresql_loses_nothing_and_ends_no_flow(two: Two, tmp_path: Path, postgres: Cluster) -> None:
    here, there = two
    with booting(here.url, tmp_path) as machine:
        code = machine.code()
        postgres.crash()
        down = httpx2.post(f"{there.url}/device/code", data={**TALOS, "uuid": UUID[::-1]}, timeout=60)
        assert (down.status_code, down.json()["error"]) == (503, "temporarily_unavailable")
        pending = poll(there, {"device_code": "whatever"})
        assert pending["error"] == "authorization_pending"
        postgres.start()
        wait_until(lambda: httpx2.get(f"{there.url}/healthz", timeout=60).status_code == 200, "the server is healthy")
        assert there.command("approve", code).returncode == 0
        assert machine.delivered() == CONFIG
        assert machine.codes() == [code]
    assert "Traceback" not in here.log + there.log
    assert "only on loopback" not in here.log + there.log


def test_a_server_with_another_code_key_does_not_start_and_says_what_to_do(two: Two, tmp_path: Path) -> None:
    third = copied(two[0], tmp_path / "third")
    key = third.folder / "data/code.key"
    key.write_bytes(b"k" * 32)
    wrong = third.command("serve")
    assert (wrong.returncode, len(wrong.stderr.splitlines())) == (1, 1)
    assert "is not the code key of the other servers" in wrong.stderr
    key.unlink()
    missing = third.command("serve")
    assert (missing.returncode, len(missing.stderr.splitlines())) == (1, 1)
    assert "copy it from another server" in missing.stderr


def test_all_servers_can_change_to_a_new_code_key(two: Two) -> None:
    for site in two:
        site.stop()
        (site.folder / "data/code.key").write_bytes(b"n" * 32)
    assert two[0].command("migrate", "--new-code-key").returncode == 0
    for site in two:
        site.start()
    codes = ask(two[0])
    assert two[1].command("approve", codes["user_code"]).returncode == 0
    assert fetch(two[1], poll(two[0], codes)).text == CONFIG
