"""``POST /token`` with 10,000 waiting machines, without holding (``hold = "0s"``), compared with peers in memory."""

from __future__ import annotations

from collections.abc import Callable

from bench.load import wrk
from bench.load.keep_alive import collect_codes
from bench.measurements import Options
from bench.peers.authlib_flask import authlib_flask
from bench.peers.bootgrant import bootgrant
from bench.peers.oidc_provider import oidc_provider
from bench.peers.server import Server, Start
from bench.processes import OUT
from bench.result import Bar, Result
from bench.rounds import comparison, interleaved, ratio

TITLE = "POST /token with 10,000 waiting machines, not held, over 64 keep-alive connections"
_PEERS: dict[str, Start] = {
    "bootgrant": lambda: bootgrant({"grants.hold": "0s"}),
    "oidc-provider": oidc_provider,
    "Authlib on Flask": authlib_flask,
}


def run(options: Options) -> Result:
    pending = 1000 if options.quick else 10_000
    found = interleaved(options.rounds, {name: _measure(start, pending) for name, start in _PEERS.items()}, options.say)
    rows = comparison(found, 1)
    times = ratio(found["req/s"], "bootgrant", "oidc-provider")
    bars = [Bar("requests per second ÷ oidc-provider", times.shown(2), times.median, 4.0, at_least=True)]
    head = ("server", "req/s", "÷ oidc-provider", "CPU µs per request", "CPU of oidc-provider ÷ own")
    return Result("token_pending", TITLE, head, rows, bars, {"rounds": found})


def _measure(start: Start, pending: int) -> Callable[[], dict[str, float]]:
    def measure() -> dict[str, float]:
        with start() as server:
            return polled(server, collect_codes(server, pending), 4 * pending, pending // 2)

    return measure


def polled(server: Server, codes: list[str], count: int, warm: int = 2000) -> dict[str, float]:
    """Poll for each code in turn, after ``warm`` polls that are not measured.

    Every server accepts six polls of a code at once, and then two per second, before it answers slow_down.
    """
    file = OUT / f"codes-{server.running.process.pid}.txt"
    file.write_text("".join(f"{code}\n" for code in codes))
    try:
        wrk.poll_tokens(server, file, warm)
        before = server.running.usage()
        rate = wrk.poll_tokens(server, file, count, warm)
        cost = (server.running.usage().cpu - before.cpu) / count * 1e6
    finally:
        file.unlink()
    return {"req/s": rate, "CPU µs": cost}
