"""5,000 held polls: memory per machine, and CPU while nothing happens."""

from __future__ import annotations

import asyncio

from bench.fleets import rehearse
from bench.measurements import Options
from bench.peers.bootgrant import bootgrant
from bench.processes import Usage
from bench.result import Bar, Result
from bootgrant.fleet.rehearsal import Rehearsal
from bootgrant.fleet.scenario import Curve, Decisions, Scenario

TITLE = "5,000 held polls: memory per machine, and CPU while nothing happens"


def run(options: Options) -> Result:
    machines, arrive, idle = (200, 1.0, 3.0) if options.quick else (5000, 6.0, 14.0)
    # A poll is held for 25 s. Nothing happens from two seconds after the last arrival until the first poll ends. Then
    # each poll is answered and repeated, which is the long-term cost of waiting.
    settled, cycle = arrive + 3.0, 50.0 if not options.quick else 5.0
    with bootgrant() as server:
        seen: dict[str, Usage] = {"empty": server.running.usage()}

        async def watch(rehearsal: Rehearsal) -> None:
            await asyncio.sleep(settled)
            seen["begin"] = server.running.usage()
            options.say(f"  {rehearsal.observations.open} polls are held")
            seen["held"] = Usage(rehearsal.observations.open, 0)
            await asyncio.sleep(idle)
            seen["end"] = server.running.usage()
            await asyncio.sleep(cycle)
            seen["cycle"] = server.running.usage()

        scenario = Scenario(machines, arrive, Curve.EVEN, Decisions(10_000.0), limit=settled + idle + cycle + 1.0)
        report = rehearse(server, scenario, watch)
    held = seen["held"].cpu
    each = (seen["begin"].memory - seen["empty"].memory) / held / 1024
    share = (seen["end"].cpu - seen["begin"].cpu) / idle
    long_run = (seen["cycle"].cpu - seen["end"].cpu) / cycle
    rows = [
        ["held polls", f"{held:,.0f}"],
        ["server memory without machines, MB", f"{seen['empty'].memory / 1e6:.1f}"],
        ["server memory with all machines, MB", f"{seen['begin'].memory / 1e6:.1f}"],
        ["KiB per machine (row, connection and held request)", f"{each:.1f}"],
        ["CPU while nothing happens", f"{share:.2%} of a core"],
        ["CPU with every poll repeated after 25 s", f"{long_run:.2%} of a core"],
        ["problems", str(sum(report.problems.values()))],
    ]
    bars = [
        Bar("KiB per machine", f"{each:.1f}", each, 20.0, at_least=False),
        Bar("CPU while nothing happens, % of a core", f"{share:.2%}", share * 100, 1.0, at_least=False),
    ]
    figures = {"held": held, "kib": each, "idle": share, "long_run": long_run, "problems": report.problems}
    return Result("held", TITLE, ("", ""), rows, bars, figures)
