"""Two servers with one PostgreSQL: the cost of a machine, and approvals on the other server."""

from __future__ import annotations

import asyncio

from bench.fleets import rehearse_on_all
from bench.measurements import Options
from bench.peers.postgres import Shared, sharing
from bench.result import Bar, Result
from bootgrant.fleet.rehearsal import Rehearsal
from bootgrant.fleet.report import Report, percentiles
from bootgrant.fleet.scenario import Curve, Decisions, Scenario

TITLE = "Two servers with one PostgreSQL, all machines approved on the first server"
_HOLD = 25.0
_ARRIVALS = 100.0
"""Machines per second on each server."""

Cpu = tuple[float, float]
"""CPU seconds of the servers together, and of PostgreSQL."""


def run(options: Options) -> Result:
    each = 50 if options.quick else 1000
    arrive, waiting = each / _ARRIVALS, 2.0 if options.quick else 2 * _HOLD
    settled = arrive + 4.0
    seen: list[Cpu] = []
    with sharing(2) as shared:
        seen.append(_cpu(shared))

        async def watch(_rehearsal: Rehearsal) -> None:
            await asyncio.sleep(settled)
            seen.append(_cpu(shared))
            await asyncio.sleep(waiting)
            seen.append(_cpu(shared))

        # No machine is approved while polls are measured.
        decisions = Decisions(settled + waiting + 1.0, 1, rate=50.0)
        scenario = Scenario(each, arrive, Curve.EVEN, decisions, limit=600.0)
        here, there = rehearse_on_all(shared.servers, scenario, watch)
        seen.append(_cpu(shared))
    machines, polls = 2 * each, 2 * each * waiting / _HOLD
    steps = [_spent(seen[0], seen[1], machines), _spent(seen[1], seen[2], polls), _spent(seen[2], seen[3], machines)]
    names = ("request and first poll", "poll, held for 25 s", "approval and delivery")
    rows = [[name, f"{server:,.0f}", f"{database:,.0f}"] for name, (server, database) in zip(names, steps, strict=True)]
    bars = [*_bars(here, "the approving server"), *_bars(there, "the other server")]
    figures: dict[str, object] = dict(zip(("ask", "poll", "deliver"), steps, strict=True))
    head = ("step", "server, CPU µs", "PostgreSQL, CPU µs")
    return Result("replicas", f"{TITLE} ({machines:,} machines)", head, rows, bars, figures)


def _cpu(shared: Shared) -> Cpu:
    return sum(server.running.usage().cpu for server in shared.servers), shared.database.usage().cpu


def _spent(before: Cpu, after: Cpu, count: float) -> Cpu:
    return (after[0] - before[0]) / count * 1e6, (after[1] - before[1]) / count * 1e6


def _bars(report: Report, where: str) -> list[Bar]:
    spans = report.approval_to_config or percentiles([600.0])
    assert spans is not None
    machines, problems, p99 = report.scenario.machines, sum(report.problems.values()), spans.p99 * 1000
    return [
        Bar(f"delivered, machines of {where}", str(report.delivered), report.delivered, machines, at_least=True),
        Bar(f"problems, machines of {where}", str(problems), problems, 0, at_least=False),
        Bar(f"approval to configuration p99 ms, machines of {where}", f"{p99:.1f}", p99, 100.0, at_least=False),
    ]
