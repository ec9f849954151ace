"""Server CPU for a Talos node that waits five minutes for a decision, on both servers at the same time."""

from __future__ import annotations

from bench.fleets import wait_side_by_side
from bench.measurements import Options
from bench.peers.bootgrant import bootgrant
from bench.peers.oidc_provider import oidc_provider
from bench.result import Bar, Result
from bootgrant.fleet.observations import Step
from bootgrant.fleet.scenario import Curve, Decisions, Scenario

TITLE = "Server CPU for one Talos node waiting for five minutes"


def run(options: Options) -> Result:
    machines, seconds = (50, 20.0) if options.quick else (500, 310.0)
    scenario = Scenario(machines, 10.0 if not options.quick else 1.0, Curve.EVEN, Decisions(), limit=seconds)
    with bootgrant() as ours, oidc_provider() as theirs:
        servers = {"bootgrant": ours, "oidc-provider": theirs}
        before = {name: server.running.usage() for name, server in servers.items()}
        seen = wait_side_by_side(servers, scenario)
        after = {name: server.running.usage() for name, server in servers.items()}
    cost = {name: (after[name].cpu - before[name].cpu) / machines * 1000 for name in servers}
    polls = {name: len(seen[name].observations.requests[Step.TOKEN].ended) / machines for name in servers}
    memory = {name: (after[name].memory - before[name].memory) / machines / 1024 for name in servers}
    rows = [[name, f"{cost[name]:.2f}", f"{polls[name]:.1f}", f"{memory[name]:.1f}"] for name in servers]
    share = cost["bootgrant"] / cost["oidc-provider"]
    bars = [Bar("CPU ÷ oidc-provider", f"{share:.3f}", share, 0.2, at_least=False)]
    head = ("server", "CPU ms per machine", "token requests per machine", "KiB per machine")
    return Result("waiting_cpu", f"{TITLE} ({machines} machines)", head, rows, bars, {"cpu_ms": cost, "polls": polls})
