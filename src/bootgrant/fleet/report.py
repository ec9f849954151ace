"""The report of a rehearsal as values, as JSON and as text. Times are seconds unless a name says otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from bootgrant.fleet.observations import NEVER, Observations, Requests, Step, Way
from bootgrant.fleet.rehearsal import Rehearsed
from bootgrant.fleet.scenario import Scenario

_SAMPLES: Final = 240
_HELD: Final = 1.0
"""A token request that took longer was held by the server until the decision, or until it let go."""
_BUSY: Final = 0.85
_LATE: Final = 0.25

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of ``count`` durations; ``most`` is the longest."""

    count: int
    p50: float
    p90: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True)
class StepReport:
    """One kind of request. ``held`` of them took longer than a second; outcomes by how many."""

    requests: int
    held: int
    took: Percentiles | None
    outcomes: dict[str, int]


@dataclass(frozen=True, slots=True)
class Sample:
    """A moment: how many machines had come so far to where, and how many requests ended since the last sample."""

    at: float
    booted: int
    shown: int
    approved: int
    delivered: int
    requests: dict[str, int]
    codes_took: float


@dataclass(frozen=True, slots=True)
class Report:
    """What happened. ``new_codes`` are codes that a machine showed after its first: somebody may have typed in vain."""

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
    steps: dict[str, StepReport]
    boot_to_code: Percentiles | None
    approval_to_token: Percentiles | None
    approval_to_config: Percentiles | None
    waits: tuple[float, ...]
    troubles: dict[str, int]
    timeline: tuple[Sample, ...]
    generator_cpu: float
    generator_late: float

    @property
    def complete(self) -> bool:
        """Whether every machine has its configuration."""
        return self.delivered == self.scenario.machines

    @property
    def doubt(self) -> str:
        """Why the durations may be those of the simulation rather than the server's; empty when there is no doubt."""
        if self.took and self.generator_cpu / self.took > _BUSY:
            return f"the simulation itself used {self.generator_cpu / self.took:.0%} of a core"
        if self.generator_late > _LATE:
            return f"the simulation's own timers were up to {self.generator_late * 1000:.0f} ms late"
        return ""


def percentiles(values: Iterable[float]) -> Percentiles | None:
    """None of nothing."""
    ordered = sorted(values)
    if not ordered:
        return None
    count = len(ordered)
    p50, p90, p99 = (ordered[min(count - 1, int(count * share))] for share in (0.5, 0.9, 0.99))
    return Percentiles(count, p50, p90, p99, ordered[-1])


def build_report(rehearsed: Rehearsed, run: str, target: str) -> Report:
    """Count and order what was seen. ``target`` names the server."""
    seen = rehearsed.observations
    ways = seen.ways
    waits = sorted(_spans(ways, "approved_at", "config_at"))
    return Report(
        run=run,
        target=target,
        scenario=rehearsed.scenario,
        took=rehearsed.took,
        booted=_reached(ways, "booted_at"),
        shown=_reached(ways, "shown_at"),
        approved=_reached(ways, "approved_at"),
        delivered=_reached(ways, "config_at"),
        new_codes=sum(max(0, way.codes - 1) for way in ways),
        polls=sum(way.polls for way in ways),
        most_open=seen.most_open,
        steps={str(step): _step(requests) for step, requests in seen.requests.items()},
        boot_to_code=percentiles(_spans(ways, "booted_at", "shown_at")),
        approval_to_token=percentiles(_spans(ways, "approved_at", "token_at")),
        approval_to_config=percentiles(waits),
        waits=tuple(waits),
        troubles=dict(seen.troubles.most_common()),
        timeline=_timeline(seen, rehearsed.took),
        generator_cpu=rehearsed.load.cpu,
        generator_late=rehearsed.load.latest,
    )


def as_json(report: Report) -> Json:
    """Everything but the single waits."""
    members: Json = asdict(report)
    del members["waits"]
    return members | {"complete": report.complete, "doubt": report.doubt}


def as_text(report: Report) -> str:
    """What a person wants to know first."""
    scenario = report.scenario
    how = f"{scenario.kind}, arrived over {scenario.arrive:g} s, run {report.run}"
    lines = [
        f"{report.delivered} of {scenario.machines} machines have their configuration after {report.took:.1f} s",
        f"({how})",
        "",
        *_aligned(request_table(report)),
        "",
        _span_line("from boot to the code on the screen", report.boot_to_code),
        _span_line("from approval to the token", report.approval_to_token),
        _span_line("from approval to the configuration", report.approval_to_config),
        f"at most {report.most_open} requests open at once, {report.polls} polls",
        f"codes shown after a machine's first: {report.new_codes}",
    ]
    if report.doubt:
        lines.append(f"careful: {report.doubt}, so the server may be faster than these figures")
    if report.troubles:
        lines += ["", "troubles:", *(f"  {count:6} x {what}" for what, count in report.troubles.items())]
    return "\n".join(lines) + "\n"


def request_table(report: Report) -> list[tuple[str, ...]]:
    """The head and a row for each kind of request."""
    rows: list[tuple[str, ...]] = [("", "requests", "held", "p50 ms", "p90 ms", "p99 ms", "most ms")]
    for name, step in report.steps.items():
        took = step.took
        spans = () if took is None else (took.p50, took.p90, took.p99, took.most)
        cells = [milliseconds(span) for span in spans] or [""] * 4
        rows.append((name, str(step.requests), str(step.held), *cells))
    return rows


def milliseconds(seconds: float) -> str:
    """With the digits that mean something."""
    value = seconds * 1000
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def _span_line(what: str, spans: Percentiles | None) -> str:
    if spans is None:
        return f"{what}: nobody came so far"
    p50, p99, most = (milliseconds(value) for value in (spans.p50, spans.p99, spans.most))
    return f"{what}: p50 {p50} ms, p99 {p99} ms, at most {most} ms"


def _reached(ways: Sequence[Way], name: str) -> int:
    return sum(getattr(way, name) != NEVER for way in ways)


def _spans(ways: Sequence[Way], first: str, last: str) -> list[float]:
    pairs = ((getattr(way, first), getattr(way, last)) for way in ways)
    return [max(0.0, end - begin) for begin, end in pairs if NEVER not in (begin, end)]


def _step(requests: Requests) -> StepReport:
    held = sum(took > _HELD for took in requests.took)
    return StepReport(len(requests.ended), held, percentiles(requests.took), dict(requests.outcomes.most_common()))


def _timeline(seen: Observations, took: float) -> tuple[Sample, ...]:
    step = max(took / _SAMPLES, 0.1)
    count = int(took / step) + 1
    reached = {name: _per_bucket(_moments(seen.ways, at), step, count) for name, at in _MILESTONES.items()}
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


_MILESTONES: Final = {"booted": "booted_at", "shown": "shown_at", "approved": "approved_at", "delivered": "config_at"}


def _moments(ways: Sequence[Way], name: str) -> list[float]:
    return [moment for way in ways if (moment := getattr(way, name)) != NEVER]


def _per_bucket(moments: Iterable[float], step: float, count: int) -> list[int]:
    buckets = [0] * count
    for moment in moments:
        buckets[min(int(moment / step), count - 1)] += 1
    return buckets
