"""The cost of one waiting machine with three numbers of machines, for the capacity model in docs/scaling.md."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.fleets import rehearse
from bench.measurements import Options
from bench.peers.bootgrant import bootgrant, bootgrant_over_tls
from bench.peers.server import Server
from bench.processes import Usage
from bench.result import Bar, Result
from bootgrant.fleet.rehearsal import Rehearsal
from bootgrant.fleet.scenario import Curve, Decisions, Scenario

TITLE = "Cost of one machine, with three numbers of machines"
_HOLD = 25.0
_ARRIVALS = 800.0
"""Machines per second."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one machine: server CPU in microseconds per step, memory in KiB, bytes on disk and on the network.

    ``ask`` is a connection with ``POST /device/code``, ``poll`` a connection with a held ``POST /token``, ``deliver``
    everything from approval to configuration.
    """

    machines: int
    ask: float
    poll: float
    deliver: float
    kib: float
    disk: float
    wire: float


def run(options: Options) -> Result:
    sizes = (50, 100, 200) if options.quick else (1_000, 4_000, 12_000)
    costs = [_measure(bootgrant, size, options) for size in sizes]
    over_tls = _measure(bootgrant_over_tls, sizes[0], options)
    rows = [_row(f"{cost.machines:,}", cost) for cost in costs] + [_row(f"{over_tls.machines:,} over TLS", over_tls)]
    bars = [_grows("CPU per poll", costs, "poll"), _grows("memory per machine", costs, "kib")]
    head = ("machines", "request, CPU µs", "poll, CPU µs", "delivery, CPU µs", "KiB", "disk, bytes", "poll, bytes")
    figures: dict[str, object] = {"costs": [*map(_members, costs), _members(over_tls) | {"tls": True}]}
    return Result("capacity", TITLE, head, rows, bars, figures)


def _measure(start: Callable[[], AbstractContextManager[Server]], machines: int, options: Options) -> Cost:
    arrive = machines / _ARRIVALS
    settled, waiting = arrive + 4.0, 2 * _HOLD if not options.quick else 3.0
    seen: dict[str, tuple[Usage, int]] = {}
    with start() as server:
        look = _look(server, seen)
        look("empty")

        async def watch(_rehearsal: Rehearsal) -> None:
            await asyncio.sleep(settled)
            look("settled")
            await asyncio.sleep(waiting)
            look("waited")

        decisions = Decisions(settled - arrive + waiting + 1.0, 0)
        report = rehearse(server, Scenario(machines, arrive, Curve.EVEN, decisions, limit=600.0), watch)
        look("delivered")
        disk = _disk(server)
    if not report.complete or report.problems:
        raise RuntimeError(f"problems in the rehearsal: {report.problems}")
    spent = {name: usage.cpu for name, (usage, _) in seen.items()}
    polls = machines * waiting / _HOLD
    poll = (spent["waited"] - spent["settled"]) / polls * 1e6
    options.say(f"  {machines:,} machines: {poll:.0f} µs per poll")
    return Cost(
        machines=machines,
        ask=(spent["settled"] - spent["empty"]) / machines * 1e6 - poll,
        poll=poll,
        deliver=(spent["delivered"] - spent["waited"]) / machines * 1e6,
        kib=(seen["settled"][0].memory - seen["empty"][0].memory) / machines / 1024,
        disk=disk / machines,
        wire=(seen["waited"][1] - seen["settled"][1]) / polls,
    )


def _look(server: Server, seen: dict[str, tuple[Usage, int]]) -> Callable[[str], None]:
    def look(name: str) -> None:
        seen[name] = (server.running.usage(), _loopback_bytes())

    return look


def _loopback_bytes() -> int:
    """Return the bytes sent over loopback so far, with IP headers."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.strip().startswith("lo:"))


def _disk(server: Server) -> int:
    if server.folder is None:
        return 0
    return sum(file.stat().st_size for file in (server.folder / "data").glob("bootgrant.sqlite3*"))


def _row(name: str, cost: Cost) -> list[str]:
    figures = (cost.ask, cost.poll, cost.deliver, cost.kib, cost.disk, cost.wire)
    return [name, *(f"{value:,.1f}" if value < 100 else f"{value:,.0f}" for value in figures)]


def _grows(what: str, costs: Sequence[Cost], name: str) -> Bar:
    """Compare the cost per machine: the model assumes that it does not depend on their number."""
    times: float = getattr(costs[-1], name) / getattr(costs[0], name)
    return Bar(f"{what}, most machines ÷ fewest", f"{times:.2f}", times, 1.3, at_least=False)


def _members(cost: Cost) -> dict[str, object]:
    return {name: getattr(cost, name) for name in Cost.__slots__}
