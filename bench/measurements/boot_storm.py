"""A boot storm: 10,000 machines within 10 seconds, all approved in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.fleets import rehearse
from bench.measurements import Options
from bench.peers.bootgrant import bootgrant
from bench.processes import OUT
from bench.result import Bar, Result
from bench.rounds import Spread
from bootgrant.fleet.page import as_page
from bootgrant.fleet.report import Percentiles, Report, as_json, as_text
from bootgrant.fleet.scenario import Curve, Decisions, Scenario

TITLE = "Boot storm: 10,000 machines within 10 s, all approved in one batch"
_MOST_ROUNDS = 3


def run(options: Options) -> Result:
    machines, arrive = (500, 2.0) if options.quick else (10_000, 10.0)
    scenario = Scenario(machines, arrive, Curve.EVEN, Decisions(3.0, 0), limit=120.0)
    rounds = [_storm(options, scenario) for _ in range(min(options.rounds, _MOST_ROUNDS))]
    reports = [one.report for one in rounds]
    codes = [_known(one.steps["POST /device/code"].took, one) for one in reports]
    spans = [_known(one.approval_to_config, one) for one in reports]
    delivered = min(one.delivered for one in reports)
    problems = max(sum(one.problems.values()) for one in reports)
    lost = max(one.new_codes for one in reports)
    p99 = Spread.of([one.p99 * 1000 for one in codes])
    rows = [
        ["delivered configurations, lowest", f"{delivered:,} of {machines:,}"],
        ["problems (errors, refusals, failed flows), highest", str(problems)],
        ["lost codes (shown beyond one per machine), highest", str(lost)],
        ["POST /device/code p50 / p99 / max, ms", _three(codes)],
        ["approval to configuration p50 / p99 / max, ms", _three(spans)],
        ["server CPU, s", Spread.of([one.cpu for one in rounds]).shown(1)],
        ["server memory at the end, MB", Spread.of([one.memory for one in rounds]).shown()],
        ["CPU of the simulation, s", Spread.of([one.generator_cpu for one in reports]).shown(1)],
        ["duration of a round, s", Spread.of([one.took for one in reports]).shown(1)],
    ]
    bars = [
        Bar("delivered", f"{delivered:,}", delivered, machines, at_least=True),
        Bar("problems", str(problems), problems, 0, at_least=False),
        Bar("lost codes", str(lost), lost, 0, at_least=False),
        Bar("POST /device/code p99, ms", p99.shown(), p99.median, 1000.0, at_least=False),
    ]
    return Result("boot_storm", TITLE, ("", ""), rows, bars, {"rounds": [as_json(one) for one in reports]})


@dataclass(frozen=True, slots=True)
class _Storm:
    """One round. ``cpu`` in seconds, ``memory`` in MB."""

    report: Report
    cpu: float
    memory: float


def _storm(options: Options, scenario: Scenario) -> _Storm:
    with bootgrant() as server:
        before = server.running.usage()
        report = rehearse(server, scenario)
        after = server.running.usage()
    (OUT / "boot_storm.html").write_text(as_page(report))
    options.say(as_text(report))
    return _Storm(report, after.cpu - before.cpu, after.memory / 1e6)


def _known(found: Percentiles | None, report: Report) -> Percentiles:
    if found is None:
        raise RuntimeError(f"nothing was delivered: {report.problems}")
    return found


def _three(rounds: Sequence[Percentiles]) -> str:
    values = ([one.p50 for one in rounds], [one.p99 for one in rounds], [one.most for one in rounds])
    return " / ".join(Spread.of([value * 1000 for value in each]).shown() for each in values)
