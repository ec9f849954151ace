"""A boot storm: 10,000 machines within 10 seconds, all approved in one batch."""

from __future__ import annotations

from bench.fleets import rehearse
from bench.measurements import Options
from bench.peers.bootgrant import bootgrant
from bench.processes import OUT
from bench.result import Bar, Result
from bootgrant.fleet.arrivals import Curve
from bootgrant.fleet.page import as_page
from bootgrant.fleet.report import as_json, as_text
from bootgrant.fleet.scenario import Decisions, Scenario

TITLE = "Boot storm: 10,000 machines within 10 s, all approved in one batch"


def run(options: Options) -> Result:
    machines, arrive = (500, 2.0) if options.quick else (10_000, 10.0)
    scenario = Scenario(machines, arrive, Curve.EVEN, Decisions(3.0, 0), limit=120.0)
    with bootgrant() as server:
        before = server.running.usage()
        report = rehearse(server, scenario)
        after = server.running.usage()
    (OUT / "boot_storm.html").write_text(as_page(report))
    codes = report.steps["POST /device/code"].took
    spans = report.approval_to_config
    if codes is None or spans is None:
        raise RuntimeError(f"nothing was delivered: {report.troubles}")
    rows = [
        ["machines that have their configuration", f"{report.delivered:,} of {machines:,}"],
        ["troubles (errors, refusals, ended flows)", str(sum(report.troubles.values()))],
        ["codes lost (shown after a machine's first)", str(report.new_codes)],
        ["POST /device/code p50 / p99 / most, ms", _three(codes.p50, codes.p99, codes.most)],
        ["approval to configuration p50 / p99 / most, ms", _three(spans.p50, spans.p99, spans.most)],
        ["server CPU, s", f"{after.cpu - before.cpu:.1f}"],
        ["server memory at the end, MB", f"{after.rss / 1e6:.0f}"],
        ["the simulation's CPU, s of", f"{report.generator_cpu:.1f} of {report.took:.1f}"],
    ]
    bars = [
        Bar("delivered", f"{report.delivered:,}", report.delivered, machines, at_least=True),
        Bar("troubles", str(sum(report.troubles.values())), sum(report.troubles.values()), 0, at_least=False),
        Bar("codes lost", str(report.new_codes), report.new_codes, 0, at_least=False),
        Bar("POST /device/code p99, ms", f"{codes.p99 * 1000:.0f}", codes.p99 * 1000, 1000.0, at_least=False),
    ]
    options.say(as_text(report))
    return Result("boot_storm", TITLE, ("", ""), rows, bars, {"report": as_json(report)})


def _three(*seconds: float) -> str:
    return " / ".join(f"{value * 1000:,.0f}" for value in seconds)
