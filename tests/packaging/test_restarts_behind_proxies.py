"""The server behind the proxies of packaging/proxies/ ends, hangs or starts again while machines wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from bootgrant.cli.rehearsal_sites import Approver, entries
from bootgrant.fleet.behaviour import Paths
from bootgrant.fleet.exchange import Address
from bootgrant.fleet.observations import Observations, Step
from bootgrant.fleet.rehearsal import Rehearsal, Site, ToApprove, holds_identity
from bootgrant.fleet.scenario import Curve, Decisions, Kind, Run, Scenario
from bootgrant.trust import client_context
from support.machine import DEVICE_GRANT, TALOS
from support.proxies import KINDS, Proxied, proxied
from support.site import CONFIG, Served, booting, wait_until

pytestmark = pytest.mark.timeout(400)
PENDING = {"error": "authorization_pending"}
RUN = Run("0c2d4e6f")
MACHINES = 6
# The only change to the shipped configuration, in one test: the timeout for the answer of bootgrant.
SHORT = {
    "nginx": {"proxy_read_timeout 60s": "proxy_read_timeout 1s"},
    "caddy": {"header_timeout 60s": "header_timeout 1s"},
    "haproxy": {"timeout server 60s": "timeout server 1s"},
    "traefik": {"HeaderTimeout: 60s": "HeaderTimeout: 1s"},
}
# Traefik cannot answer in the place of bootgrant: a request waits in it.
ANSWERING = [kind for kind in KINDS if kind != "traefik"]


def client(proxy: Proxied) -> httpx2.Client:
    """A client that calls the host name of the machines."""
    return httpx2.Client(verify=client_context(proxy.ca), base_url=proxy.machines, timeout=30)


def poll_form(codes: dict[str, str]) -> dict[str, str]:
    return {**TALOS, "grant_type": DEVICE_GRANT, "device_code": codes["device_code"]}


def flow_failed(problem: str) -> bool:
    """Whether it says that a node gave up, after which it shows a new code."""
    return problem.startswith("a flow failed")


@dataclass(slots=True)
class Disturbance:
    """The approver of a rehearsal: ends the server again and again while all machines wait, and then approves."""

    proxy: Proxied
    seen: Callable[[], Observations]

    async def __call__(self, machines: Sequence[ToApprove]) -> Mapping[str, str]:
        await asyncio.to_thread(self.disturb)
        return await Approver(self.proxy.site.folder / "data" / "admin.sock", RUN)(machines)

    def disturb(self) -> None:
        site = self.proxy.site
        for _ in range(3):
            site.kill_server()
            self.wait_for_polls(3)
        for end in (Served.stop, Served.kill):
            end(site)
            if self.proxy.kind == "traefik":
                self.wait_until(lambda: self.seen().open == MACHINES, "a request of every machine waits in Traefik")
            else:
                self.wait_for_polls(2)
            site.start()
            self.wait_for_polls(2)

    def wait_for_polls(self, count: int) -> None:
        """Wait until every machine has begun this many requests more."""
        journeys = self.seen().journeys
        goals = [journey.polls + count for journey in journeys]
        self.wait_until(
            lambda: all(journey.polls >= goal for journey, goal in zip(journeys, goals, strict=True)),
            "every machine polls again",
        )

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait no longer when a flow has failed: the test has failed, too."""
        problems = self.seen().problems
        wait_until(lambda: condition() or any(map(flow_failed, list(problems))), what, 60)


@pytest.mark.parametrize("kind", KINDS)
def test_no_waiting_talos_node_loses_its_code_when_the_server_is_killed_or_restarted(kind: str, tmp_path: Path) -> None:
    with proxied(kind, tmp_path, {}, 'hold = "1s"') as proxy, entries(proxy.site.machines, RUN, MACHINES):
        host = proxy.machines.removeprefix("https://")
        address = Address("127.0.0.1", proxy.port, "127.0.0.1", client_context(proxy.ca))
        paths = Paths(host, "/device/code?uuid=${uuid}", "/token", "/config?uuid=${uuid}", "talos")
        sources = [f"127.64.0.{index + 1}" for index in range(MACHINES)]
        scenario = Scenario(MACHINES, 0.2, Curve.EVEN, Decisions(0.1, 0), Kind.TALOS, 240.0)
        disturbance = Disturbance(proxy, lambda: rehearsal.observations)
        rehearsal = Rehearsal(Site(address, paths, sources), scenario, RUN, holds_identity, disturbance)
        seen = asyncio.run(rehearsal.go()).observations
    assert not list(filter(flow_failed, seen.problems))
    assert [journey.codes for journey in seen.journeys] == [1] * MACHINES
    assert seen.requests[Step.CONFIG].outcomes == {"configuration": MACHINES}


@pytest.mark.parametrize("kind", ANSWERING)
def test_a_proxy_timeout_below_the_hold_does_not_end_the_flow(kind: str, tmp_path: Path) -> None:
    """The proxies answer 504 without the configuration, at which Talos gives up."""
    with proxied(kind, tmp_path, SHORT[kind], 'hold = "20s"') as proxy, client(proxy) as machine:
        # On a busy computer, even the first answer may take the proxy's second.
        asked = (machine.post("/device/code", data=TALOS).json() for _ in range(20))
        codes = next(answer for answer in asked if "device_code" in answer)
        cut = machine.post("/token", data=poll_form(codes))
        assert (cut.status_code, cut.json()) == (400, PENDING)
        assert cut.elapsed.total_seconds() < 10


def test_traefik_asks_again_when_its_timeout_is_below_the_hold(tmp_path: Path) -> None:
    with (
        proxied("traefik", tmp_path, SHORT["traefik"], 'hold = "20s"') as proxy,
        client(proxy) as machine,
        ThreadPoolExecutor() as pool,
    ):
        codes = machine.post("/device/code", data=TALOS).json()
        held = pool.submit(machine.post, "/token", data=poll_form(codes))
        with pytest.raises(TimeoutError):
            held.result(3)
        assert proxy.site.command("approve", codes["user_code"]).returncode == 0
        assert "access_token" in held.result(10).json()


@pytest.mark.parametrize("kind", ANSWERING)
def test_while_bootgrant_restarts_the_proxy_answers_as_it_would(kind: str, tmp_path: Path) -> None:
    with proxied(kind, tmp_path, {}) as proxy, booting(proxy.machines, tmp_path, "--ca", str(proxy.ca)) as booted:
        code = booted.code()
        assert proxy.site.stop() == 0
        with client(proxy) as machine:
            poll, ask, fetch = machine.post("/token"), machine.post("/device/code"), machine.get("/config")
        assert (poll.status_code, poll.json()) == (400, PENDING)
        assert (ask.status_code, ask.json()) == (503, {"error": "temporarily_unavailable"})
        assert (fetch.status_code, fetch.text) == (503, "server away, retrying")
        proxy.site.start()
        assert proxy.site.command("approve", code).returncode == 0
        assert booted.delivered() == CONFIG


def test_while_bootgrant_restarts_requests_of_machines_wait_in_traefik(tmp_path: Path) -> None:
    with (
        proxied("traefik", tmp_path, {}) as proxy,
        booting(proxy.machines, tmp_path, "--ca", str(proxy.ca)) as booted,
        client(proxy) as machine,
        ThreadPoolExecutor() as pool,
    ):
        code = booted.code()
        assert proxy.site.stop() == 0
        ask = pool.submit(machine.post, "/device/code", data={"client_id": "talos", "serial": "WAITED"})
        fetch = pool.submit(machine.get, "/config")
        assert machine.get("/readyz").status_code == 502
        with pytest.raises(TimeoutError):
            ask.result(2)
        proxy.site.start()
        assert (ask.result(10).status_code, fetch.result(10).status_code) == (200, 401)
        assert proxy.site.command("approve", code).returncode == 0
        assert booted.delivered() == CONFIG


def test_a_machine_gets_the_502_of_traefik_when_bootgrant_is_away_for_longer(tmp_path: Path) -> None:
    with proxied("traefik", tmp_path, {"timeout: 10m": "timeout: 2s"}) as proxy, client(proxy) as machine:
        assert proxy.site.stop() == 0
        answer = machine.post("/token", data={"client_id": "talos"})
    assert (answer.status_code, answer.text) == (502, "Bad Gateway")
    assert 2 <= answer.elapsed.total_seconds() < 10
