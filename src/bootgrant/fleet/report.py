"""The report of a rehearsal: its values, and their form as JSON and as text. Times are in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from bootgrant.fleet.observations import NEVER, Journey, Observations, Requests, Step
from bootgrant.fleet.rehearsal import Rehearsed
from bootgrant.fleet.scenario import Scenario

_SAMPLES: Final = 240
_HELD: Final = 1.0
"""A token request that took longer was held by the server until the decision or the end of its hold."""
_MILESTONES: Final = {"booted": "booted_at", "shown": "shown_at", "approved": "approved_at", "delivered": "config_at"}
_BUSY: Final = 0.85
_LATE: Final = 0.25

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of ``count`` durations. ``most`` is the longest."""

    count: int
    p50: float
    p90: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True)
class StepReport:
    """All requests of one kind. ``held`` counts those that took longer than a second."""

    requests: int
    held: int
    took: Percentiles | None
    outcomes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sample:
    """The machines that had reached each milestone, and the requests and the slowest codes since the last sample."""

    at: float
    booted: int
    shown: int
    approved: int
    delivered: int
    requests: Mapping[str, int]
    codes_took: float


@dataclass(frozen=True, slots=True)
class Report:
    """The results. ``new_codes`` counts the codes that machines showed after their first one."""

    run: str
    target: str
    scenario: Scenario
    took: float
    booted: int
    shown: int
    approved: int
    delivered: int
    new_codes: int
    polls: int
    most_open: int
    steps: Mapping[str, StepReport]
    boot_to_code: Percentiles | None
    approval_to_token: Percentiles | None
    approval_to_config: Percentiles | None
    waits: tuple[float, ...]
    problems: Mapping[str, int]
    timeline: tuple[Sample, ...]
    generator_cpu: float
    generator_late: float

    @property
    def complete(self) -> bool:
        """Whether every machine got its configuration."""
        return self.delivered == self.scenario.machines

    @property
    def doubt(self) -> str:
        """Why the simulation may have been slower than the server; empty if it was not."""
        if self.took and self.generator_cpu / self.took > _BUSY:
            return f"the simulation itself used {self.generator_cpu / self.took:.0%} of a core"
        if self.generator_late > _LATE:
            return f"the simulation's own timers were up to {self.generator_late * 1000:.0f} ms late"
        return ""


def percentiles(values: Iterable[float]) -> Percentiles | None:
    """Return the percentiles of durations, None if there are none."""
    ordered = sorted(values)
    if not ordered:
        return None
    count = len(ordered)
    p50, p90, p99 = (ordered[min(count - 1, int(count * share))] for share in (0.5, 0.9, 0.99))
    return Percentiles(count, p50, p90, p99, ordered[-1])


def build_report(rehearsed: Rehearsed, run: str, target: str) -> Report:
    """Build the report. ``target`` is the URL of the server."""
    seen = rehearsed.observations
    journeys = seen.journeys
    waits = sorted(_spans(journeys, "approved_at", "config_at"))
    return Report(
        run=run,
        target=target,
        scenario=rehearsed.scenario,
        took=rehearsed.took,
        booted=_reached(journeys, "booted_at"),
        shown=_reached(journeys, "shown_at"),
        approved=_reached(journeys, "approved_at"),
        delivered=_reached(journeys, "config_at"),
        new_codes=sum(max(0, journey.codes - 1) for journey in journeys),
        polls=sum(journey.polls for journey in journeys),
        most_open=seen.most_open,
        steps={str(step): _step(requests) for step, requests in seen.requests.items()},
        boot_to_code=percentiles(_spans(journeys, "booted_at", "shown_at")),
        approval_to_token=percentiles(_spans(journeys, "approved_at", "token_at")),
        approval_to_config=percentiles(waits),
        waits=tuple(waits),
        problems=dict(seen.problems.most_common()),
        timeline=_timeline(seen, rehearsed.took),
        generator_cpu=rehearsed.load.cpu,
        generator_late=rehearsed.load.latest,
    )


def as_json(report: Report) -> Json:
    """Return the report as JSON, without the wait of each machine. ``troubles`` are the problems."""
    members: Json = asdict(report)
    del members["waits"]
    members["troubles"] = members.pop("problems")
    return members | {"complete": report.complete, "doubt": report.doubt}


def as_text(report: Report) -> str:
    """Return the report for a terminal, the result first."""
    scenario = report.scenario
    lines = [
        f"{report.delivered} of {scenario.machines} machines have their configuration after {report.took:.1f} s",
        f"({scenario.kind}, arrived over {scenario.arrive:g} s, run {report.run})",
        "",
        *_aligned(request_table(report)),
        "",
        _span_line("boot to code on screen", report.boot_to_code),
        _span_line("approval to token", report.approval_to_token),
        _span_line("approval to configuration", report.approval_to_config),
        f"{report.polls} polls, at most {report.most_open} requests open at the same time",
        f"codes shown beyond one per machine: {report.new_codes}",
    ]
    if report.doubt:
        lines.append(f"warning: {report.doubt}, so the server may be faster than these figures")
    if report.problems:
        lines += ["", "problems:", *(f"  {count:6} x {problem}" for problem, count in report.problems.items())]
    return "\n".join(lines) + "\n"


def request_table(report: Report) -> list[tuple[str, ...]]:
    """Return the table of requests: the head, and a row for each kind."""
    rows: list[tuple[str, ...]] = [("", "requests", "held", "p50 ms", "p90 ms", "p99 ms", "max ms")]
    for name, step in report.steps.items():
        took = step.took
        spans = () if took is None else (took.p50, took.p90, took.p99, took.most)
        cells = [milliseconds(span) for span in spans] or [""] * 4
        rows.append((name, str(step.requests), str(step.held), *cells))
    return rows


def milliseconds(seconds: float) -> str:
    """Format a duration in milliseconds, with three significant digits or more."""
    value = seconds * 1000
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def _span_line(name: str, spans: Percentiles | None) -> str:
    if spans is None:
        return f"{name}: no machine got this far"
    p50, p99, most = (milliseconds(value) for value in (spans.p50, spans.p99, spans.most))
    return f"{name}: p50 {p50} ms, p99 {p99} ms, max {most} ms"


def _reached(journeys: Sequence[Journey], name: str) -> int:
    return sum(getattr(journey, name) != NEVER for journey in journeys)


def _spans(journeys: Sequence[Journey], first: str, last: str) -> list[float]:
    pairs = ((getattr(journey, first), getattr(journey, last)) for journey in journeys)
    return [max(0.0, end - begin) for begin, end in pairs if NEVER not in (begin, end)]


def _step(requests: Requests) -> StepReport:
    held = sum(took > _HELD for took in requests.took)
    return StepReport(len(requests.ended), held, percentiles(requests.took), dict(requests.outcomes.most_common()))


def _timeline(seen: Observations, took: float) -> tuple[Sample, ...]:
    step = max(took / _SAMPLES, 0.1)
    count = int(took / step) + 1
    reached = {name: _per_bucket(_moments(seen.journeys, at), step, count) for name, at in _MILESTONES.items()}
    ended = {str(name): _per_bucket(requests.ended, step, count) for name, requests in seen.requests.items()}
    slowest = [0.0] * count
    for at, span in zip(seen.requests[Step.CODES].ended, seen.requests[Step.CODES].took, strict=True):
        bucket = min(int(at / step), count - 1)
        slowest[bucket] = max(slowest[bucket], span)
    samples: list[Sample] = []
    so_far = dict.fromkeys(_MILESTONES, 0)
    for bucket in range(count):
        so_far = {name: so_far[name] + reached[name][bucket] for name in _MILESTONES}
        requests = {name: buckets[bucket] for name, buckets in ended.items()}
        samples.append(Sample((bucket + 1) * step, **so_far, requests=requests, codes_took=slowest[bucket]))
    return tuple(samples)


def _moments(journeys: Sequence[Journey], name: str) -> list[float]:
    return [moment for journey in journeys if (moment := getattr(journey, name)) != NEVER]


def _per_bucket(moments: Iterable[float], step: float, count: int) -> list[int]:
    buckets = [0] * count
    for moment in moments:
        buckets[min(int(moment / step), count - 1)] += 1
    return buckets
