"""The cost of a poll with 100,000 waiting machines, compared with 1,000."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from bench.load.keep_alive import collect_codes
from bench.measurements import Options
from bench.measurements.token_pending import polled
from bench.peers.bootgrant import bootgrant
from bench.peers.server import Server
from bench.result import Bar, Result
from bench.rounds import Spread, interleaved, ratio

TITLE = "POST /token: CPU per request by number of waiting machines"
_POLLED = 1000
"""The number of codes that are polled in a round, the same on both servers."""


def run(options: Options) -> Result:
    few, many = (200, 2_000) if options.quick else (1_000, 100_000)
    settings = {"grants.hold": "0s", "grants.lifetime": "60m"}
    with bootgrant(settings) as small, bootgrant(settings) as large:
        options.say(f"  opening {many:,} requests")
        codes = {str(few): (small, collect_codes(small, few)), str(many): (large, collect_codes(large, many))}
        rounds = max(options.rounds, 5)
        found = interleaved(rounds, {name: _measure(*served) for name, served in codes.items()}, options.say)
    costs = found["CPU µs"]
    times = ratio(costs, str(many), str(few))
    rows = [[f"{int(name):,}", Spread.of(values).shown(1)] for name, values in costs.items()]
    bars = [Bar(f"cost at {many:,} ÷ cost at {few:,}", times.shown(2), times.median, 1.2, at_least=False)]
    return Result("token_scale", TITLE, ("waiting machines", "CPU µs per request"), rows, bars, {"rounds": found})


def _measure(server: Server, codes: list[str]) -> Callable[[], dict[str, float]]:
    dice = random.Random(1)

    def measure() -> dict[str, float]:
        # Long enough that polling every code again is not too fast.
        time.sleep(2.5)
        sample = dice.sample(codes, min(_POLLED, len(codes)))
        return {"CPU µs": polled(server, sample, 3 * len(sample), len(sample) // 2)["CPU µs"]}

    return measure
