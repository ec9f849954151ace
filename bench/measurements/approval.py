"""From approval to configuration: 1,000 machines wait, approved 20 a second, and 1,000 approved in one batch."""

from __future__ import annotations

from bench.fleets import rehearse
from bench.measurements import Options
from bench.peers.bootgrant import bootgrant
from bench.result import Bar, Result
from bootgrant.fleet.arrivals import Curve
from bootgrant.fleet.report import Percentiles, Report, as_json
from bootgrant.fleet.scenario import Decisions, Scenario

TITLE = "From approval to the configuration in the machine's hands, 1,000 machines waiting"


def run(options: Options) -> Result:
    machines, rate = (50, 20.0) if options.quick else (1000, 20.0)
    arrive = machines / 200
    one_by_one = Scenario(machines, arrive, Curve.EVEN, Decisions(arrive + 2.0, 1, rate), limit=arrive + 120.0)
    in_a_batch = Scenario(machines, arrive, Curve.EVEN, Decisions(2.0, 0), limit=arrive + 60.0)
    with bootgrant() as server:
        singly = rehearse(server, one_by_one)
        options.say(f"  one by one: {singly.approval_to_config}")
    with bootgrant() as server:
        together = rehearse(server, in_a_batch)
        options.say(f"  in a batch: {together.approval_to_config}")
    single, batch = _spans(singly), _spans(together)
    rows = [_row(f"{rate:g} approvals a second", singly, single), _row("all in one batch", together, batch)]
    bars = [
        Bar("one by one, p50 ms", f"{single.p50 * 1000:.1f}", single.p50 * 1000, 20.0, at_least=False),
        Bar("one by one, p99 ms", f"{single.p99 * 1000:.1f}", single.p99 * 1000, 100.0, at_least=False),
        Bar(f"{machines} in one batch, the last one, s", f"{batch.most:.2f}", batch.most, 2.0, at_least=False),
        _all(singly), _all(together),
    ]  # fmt: skip
    head = ("how", "delivered", "p50 ms", "p99 ms", "most ms")
    return Result("approval", TITLE, head, rows, bars, {"singly": as_json(singly), "together": as_json(together)})


def _spans(report: Report) -> Percentiles:
    if report.approval_to_config is None:
        raise RuntimeError(f"nothing was delivered: {report.troubles}")
    return report.approval_to_config


def _row(how: str, report: Report, spans: Percentiles) -> list[str]:
    return [how, str(report.delivered), *(f"{value * 1000:.1f}" for value in (spans.p50, spans.p99, spans.most))]


def _all(report: Report) -> Bar:
    machines = report.scenario.machines
    return Bar(
        "machines that have their configuration", str(report.delivered), report.delivered, machines, at_least=True
    )
