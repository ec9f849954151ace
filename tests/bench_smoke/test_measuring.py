"""The benchmark tools: each kind of run works and measures what it claims."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.fleets import rehearse
from bench.load import wrk
from bench.load.keep_alive import collect_codes
from bench.measurements.token_pending import polled
from bench.peers.bootgrant import bootgrant
from bench.peers.server import Endpoints, Server
from bench.processes import free_port, started
from bench.result import Bar, Result
from bench.rounds import Spread, interleaved, ratio

from bootgrant.fleet.scenario import Curve, Decisions, Scenario
from support.parts import program
from support.site import wait_until


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    program("taskset", "util-linux")
    with bootgrant({"grants.hold": "0s"}) as server:
        yield server


def test_wrk_opens_requests_and_polls_them(server: Server) -> None:
    program("wrk", "wrk")
    assert wrk.open_grants(server, 300, 1) > 0
    figures = polled(server, collect_codes(server, 100), 300, 50)
    assert figures["req/s"] > 0
    assert figures["CPU µs"] > 0


def test_wrk_fails_on_refusals(server: Server) -> None:
    program("wrk", "wrk")
    wrong = Server("wrong", server.running, Endpoints("/device/code", "/token", "nobody"))
    with pytest.raises(wrk.WrkFailed):
        wrk.open_grants(wrong, 300, 2)


def test_a_fleet_of_talos_nodes_is_served(server: Server) -> None:
    report = rehearse(server, Scenario(10, 0.1, Curve.EVEN, Decisions(0.1, 0), limit=20.0))
    assert report.complete
    assert not report.problems


def test_the_cpu_time_of_children_counts_as_the_servers(tmp_path: Path) -> None:
    port = free_port()
    busy = f"{sys.executable} -c 'import os, signal\nwhile sum(os.times()[:2]) < 0.3: pass\nsignal.pause()'"
    command = f"{busy} & {sys.executable} -m http.server --bind 127.0.0.1 {port} & wait"
    with started(["bash", "-c", command], f"http://127.0.0.1:{port}/", tmp_path / "log") as running:
        wait_until(lambda: running.usage().cpu >= 0.3, "the child has worked")
        children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
    for child in children:
        os.kill(int(child), signal.SIGKILL)


def test_servers_are_measured_in_turns_and_compared_within_a_round() -> None:
    order: list[str] = []

    def measure(name: str, values: Iterator[float]) -> dict[str, float]:
        order.append(name)
        return {"req/s": next(values)}

    ours, theirs = iter([30.0, 10.0, 20.0]), iter([10.0, 5.0, 10.0])
    found = interleaved(
        3, {"ours": lambda: measure("ours", ours), "theirs": lambda: measure("theirs", theirs)}, lambda _text: None
    )
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert ratio(found["req/s"], "ours", "theirs") == Spread(2.0, 2.0, 3.0)


def test_a_result_shows_which_bars_are_met() -> None:
    faster = Bar("ratio", "2.6 (2.4 to 2.8)", 2.6, 2.5, at_least=True)
    slower = Bar("p99 ms", "120", 120.0, 100.0, at_least=False)
    assert faster.met
    assert not slower.met
    shown = Result("name", "Title", ("server", "req/s"), [["ours", "1"]], [faster, slower]).shown()
    assert "| ours | 1 |" in shown
    assert "NOT MET  p99 ms: 120 (at most 100)" in shown
