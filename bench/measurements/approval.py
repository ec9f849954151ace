"""Time from approval to configuration: 1,000 machines approved at 20 per second, and in one batch."""

from __future__ import annotations

from collections.abc import Sequence

from bench.fleets import rehearse
from bench.measurements import Options
from bench.peers.bootgrant import bootgrant
from bench.result import Bar, Result
from bench.rounds import Spread
from bootgrant.fleet.report import Percentiles, Report, as_json
from bootgrant.fleet.scenario import Curve, Decisions, Scenario

TITLE = "From approval to configuration, 1,000 waiting machines"
_MOST_ROUNDS = 2


def run(options: Options) -> Result:
    machines, rate = (50, 20.0) if options.quick else (1000, 20.0)
    arrive = machines / 200
    one_by_one = Scenario(machines, arrive, Curve.EVEN, Decisions(arrive + 2.0, 1, rate), limit=arrive + 120.0)
    in_a_batch = Scenario(machines, arrive, Curve.EVEN, Decisions(2.0, 0), limit=arrive + 60.0)
    singly: list[Report] = []
    together: list[Report] = []
    for _ in range(min(options.rounds, _MOST_ROUNDS)):
        for how, scenario, kept in (("one by one", one_by_one, singly), ("in a batch", in_a_batch, together)):
            with bootgrant() as server:
                kept.append(rehearse(server, scenario))
            options.say(f"  {how}: {kept[-1].approval_to_config}")
    single, batch = [_spans(one) for one in singly], [_spans(one) for one in together]
    rows = [_row(f"{rate:g} approvals per second", singly, single), _row("all in one batch", together, batch)]
    p50, p99 = Spread.of([one.p50 * 1000 for one in single]), Spread.of([one.p99 * 1000 for one in single])
    last = Spread.of([one.most for one in batch])
    bars = [
        Bar("one by one, p50 ms", p50.shown(1), p50.median, 20.0, at_least=False),
        Bar("one by one, p99 ms", p99.shown(1), p99.median, 100.0, at_least=False),
        Bar(f"{machines} in one batch, last machine, s", last.shown(2), last.median, 2.0, at_least=False),
        _all(singly), _all(together),
    ]  # fmt: skip
    head = ("approval", "delivered", "p50 ms", "p99 ms", "max ms")
    figures: dict[str, object] = {
        "singly": [as_json(one) for one in singly],
        "together": [as_json(one) for one in together],
    }
    return Result("approval", TITLE, head, rows, bars, figures)


def _spans(report: Report) -> Percentiles:
    if report.approval_to_config is None:
        raise RuntimeError(f"nothing was delivered: {report.problems}")
    return report.approval_to_config


def _row(how: str, reports: Sequence[Report], spans: Sequence[Percentiles]) -> list[str]:
    values = ([one.p50 for one in spans], [one.p99 for one in spans], [one.most for one in spans])
    shown = [Spread.of([value * 1000 for value in each]).shown(1) for each in values]
    return [how, str(min(one.delivered for one in reports)), *shown]


def _all(reports: Sequence[Report]) -> Bar:
    fewest, machines = min(one.delivered for one in reports), reports[0].scenario.machines
    return Bar("delivered", str(fewest), fewest, machines, at_least=True)
