"""``POST /device/code``: 10,000 requests, durable in SQLite, compared with peers that store them in memory."""

from __future__ import annotations

from collections.abc import Callable

from bench.load import wrk
from bench.measurements import Options
from bench.peers.authlib_flask import authlib_flask
from bench.peers.bootgrant import bootgrant
from bench.peers.oidc_provider import oidc_provider
from bench.peers.server import Start
from bench.result import Bar, Result
from bench.rounds import Spread, comparison, interleaved, ratio

TITLE = "POST /device/code: 10,000 requests to an empty server over 64 keep-alive connections"
_PEERS: dict[str, Start] = {"bootgrant": bootgrant, "oidc-provider": oidc_provider, "Authlib on Flask": authlib_flask}


def run(options: Options) -> Result:
    count = 1000 if options.quick else 10_000
    found = interleaved(options.rounds, {name: _measure(start, count) for name, start in _PEERS.items()}, options.say)
    rates, memory = found["req/s"], found["KB per request"]
    rows = [[*row, Spread.of(memory[row[0]]).shown(1)] for row in comparison(found, 0)]
    bars = [_bar(rates, "oidc-provider", 2.5), _bar(rates, "Authlib on Flask", 4.0)]
    head = ("server", "req/s", "÷ oidc-provider", "CPU µs per request", "CPU of oidc-provider ÷ own", "KB per request")
    return Result("device_code", TITLE, head, rows, bars, {"rounds": found})


def _measure(start: Start, count: int) -> Callable[[], dict[str, float]]:
    def measure() -> dict[str, float]:
        with start() as server:
            wrk.open_grants(server, max(300, count // 20), 1)
            before = server.running.usage()
            rate = wrk.open_grants(server, count, 2)
            after = server.running.usage()
        cost = (after.cpu - before.cpu) / count * 1e6
        return {"req/s": rate, "CPU µs": cost, "KB per request": (after.memory - before.memory) / count / 1024}

    return measure


def _bar(rates: dict[str, list[float]], peer: str, bar: float) -> Bar:
    times = ratio(rates, "bootgrant", peer)
    return Bar(f"requests per second ÷ {peer}", times.shown(2), times.median, bar, at_least=True)
