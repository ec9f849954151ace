"""The report of a rehearsal as one HTML page with its plots as SVG, without scripts or anything from outside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from typing import Final

from bootgrant.fleet.observations import Step
from bootgrant.fleet.report import Percentiles, Report, Sample, milliseconds, request_table

_WIDTH: Final = 720
_HEIGHT: Final = 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 24, 12, 30


@dataclass(frozen=True, slots=True)
class Line:
    """A line in a plot. ``style`` is its CSS class."""

    name: str
    style: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis from ``low`` to ``high``, logarithmic if ``log``. ``unit`` follows each number."""

    high: float
    unit: str
    low: float = 0.0
    log: bool = False

    def place(self, value: float) -> float:
        """Return the position of a value, from 0 to 1."""
        if not self.log:
            return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        low, high = math.log10(self.low), math.log10(self.high)
        return (math.log10(max(value, self.low)) - low) / (high - low) if high > low else 0.0

    def ticks(self) -> list[float]:
        """Return about five round numbers, or the powers of ten on a logarithmic axis."""
        if self.log:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            return [10.0**power for power in range(first, last + 1)]
        if self.high <= self.low:
            return [self.low]
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        return [step * index for index in range(math.ceil(self.low / step), math.floor(self.high / step + 1e-9) + 1)]


def plot(title: str, across: Axis, up: Axis, lines: Sequence[Line]) -> str:
    """Return a plot as SVG, with a legend if there are several lines. ``title`` is for screen readers."""
    parts = [
        *([_legend(lines)] if len(lines) > 1 else []),
        '<div class="wide">',
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title, quote=True)}">',
        *_grid(across, up),
        *(_drawn(line, across, up) for line in lines if line.points),
        "</svg></div>",
    ]
    return "\n".join(parts)


def _x(value: float, axis: Axis) -> float:
    return _LEFT + axis.place(value) * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float, axis: Axis) -> float:
    return _HEIGHT - _BOTTOM - axis.place(value) * (_HEIGHT - _TOP - _BOTTOM)


def _grid(across: Axis, up: Axis) -> list[str]:
    parts = []
    for tick in up.ticks():
        y = _y(tick, up)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(tick)}{escape(up.unit)}</text>')
    for tick in across.ticks():
        x, y = _x(tick, across), _HEIGHT - _BOTTOM
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + 4}"/>')
        parts.append(f'<text x="{x:.1f}" y="{y + 18}" text-anchor="middle">{_number(tick)}{escape(across.unit)}</text>')
    return parts


def _drawn(line: Line, across: Axis, up: Axis) -> str:
    points = " ".join(f"{_x(x, across):.1f},{_y(y, up):.1f}" for x, y in line.points)
    return f'<polyline class="{line.style}" points="{points}"/>'


def _legend(lines: Sequence[Line]) -> str:
    names = (f'<span class="{line.style}">{escape(line.name)}</span>' for line in lines)
    return f'<p class="legend">{" ".join(names)}</p>'


def _number(value: float) -> str:
    return f"{value:g}" if abs(value) < 10_000 else f"{value / 1000:g}k"


def as_page(report: Report) -> str:
    """Return the whole page."""
    style = (resources.files("bootgrant.fleet") / "page.css").read_text("utf-8")
    return "\n".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Rehearsal {escape(report.run)}</title><style>\n{style}</style></head><body>",
            *_head(report),
            *_plots(report),
            *_requests(report),
            *_problems(report),
            "</body></html>",
            "",
        )
    )


def _head(report: Report) -> list[str]:
    scenario, decisions = report.scenario, report.scenario.decisions
    style = "" if report.complete else ' class="bad"'
    how = {0: "all in one batch", 1: "one by one"}.get(decisions.batch, f"in batches of {decisions.batch}")
    summary = (
        f"{scenario.machines} {scenario.kind} machines arrived at {report.target} within {scenario.arrive:g} s"
        f" ({scenario.curve}). They were approved {decisions.after:g} s after they showed their codes, {how}."
        f" Run {report.run}."
    )
    parts = [
        f"<h1{style}>{report.delivered} of {scenario.machines} machines have their configuration</h1>",
        f'<p class="soft">{escape(summary)}</p>',
    ]
    if report.doubt:
        doubt = escape(report.doubt.capitalize())
        parts.append(f'<p class="bad">{doubt}, so the server may be faster than these figures.</p>')
    tiles = {
        "duration": f"{report.took:.1f} s",
        "approval to configuration, p50": _milliseconds(report.approval_to_config, "p50"),
        "approval to configuration, p99": _milliseconds(report.approval_to_config, "p99"),
        "boot to code, p99": _milliseconds(report.boot_to_code, "p99"),
        "most requests open at the same time": str(report.most_open),
        "codes shown beyond one per machine": str(report.new_codes),
    }
    cells = (f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in tiles.items())
    return [*parts, "<dl>", *cells, "</dl>"]


def _plots(report: Report) -> list[str]:
    samples = report.timeline
    took = Axis(max([report.took, *(sample.at for sample in samples)]), " s")
    parts = [
        "<h2>Machines</h2>",
        plot("Machines over time", took, Axis(max(report.scenario.machines, 1.0), ""), _machines(samples)),
    ]
    rates = _rates(samples)
    highest = max((y for line in rates for _, y in line.points), default=0.0)
    parts += [
        "<h2>Requests per second</h2>",
        plot("Requests per second over time", took, Axis(max(highest, 1.0), ""), rates),
    ]
    slow = Line("slowest", "a", [(s.at, s.codes_took * 1000) for s in samples if s.requests[Step.CODES]])
    most = max((y for _, y in slow.points), default=0.0)
    parts += [
        "<h2>Time to get a code</h2>",
        plot("Slowest answer to POST /device/code over time", took, Axis(max(most, 1.0), " ms"), [slow]),
    ]
    if report.waits:
        parts += ["<h2>From approval to configuration</h2>", _spread(report.waits)]
    return parts


def _machines(samples: Sequence[Sample]) -> list[Line]:
    named = (("booted", "a"), ("shown", "b"), ("approved", "c"), ("delivered", "d"))
    words = {"shown": "showed a code"}
    return [
        Line(words.get(name, name), style, [(0.0, 0.0), *((s.at, float(getattr(s, name))) for s in samples)])
        for name, style in named
    ]


def _rates(samples: Sequence[Sample]) -> list[Line]:
    if not samples:
        return []
    span = samples[0].at
    styles = {Step.CODES: "a", Step.TOKEN: "b", Step.CONFIG: "d"}
    return [
        Line(str(step).partition(" ")[2], style, [(s.at, s.requests[step] / span) for s in samples])
        for step, style in styles.items()
    ]


def _spread(waits: Sequence[float]) -> str:
    """Plot the share of machines that had their configuration, over the time since approval."""
    values = [max(wait * 1000, 0.1) for wait in waits]
    low = 10.0 ** _power(values[0])
    across = Axis(10.0 ** (_power(values[-1]) + 1), " ms", low, log=True)
    every = max(1, len(values) // 400)
    points = [(value, (index + 1) * 100 / len(values)) for index, value in enumerate(values)]
    shown = [(low, 0.0), *points[::every], points[-1]]
    delivered = Line("delivered", "d", shown)
    return plot("Share of machines over time since approval", across, Axis(100.0, " %"), [delivered])


def _power(value: float) -> int:
    return math.floor(math.log10(value))


def _requests(report: Report) -> list[str]:
    head, *rows = request_table(report)
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in (*head, "outcomes"))
    cells = ((*row, _outcomes(report.steps[row[0]].outcomes)) for row in rows)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in cells)
    return [
        "<h2>Requests</h2>",
        f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>',
        '<p class="soft">Held: kept open by the server for more than a second, until someone decides.</p>',
    ]


def _outcomes(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())


def _problems(report: Report) -> list[str]:
    if not report.problems:
        return ["<h2>Problems</h2>", "<p>None.</p>"]
    rows = (f"<tr><td>{escape(problem)}</td><td>{count}</td></tr>" for problem, count in report.problems.items())
    return ["<h2>Problems</h2>", f"<table><tbody>{''.join(rows)}</tbody></table>"]


def _milliseconds(spans: Percentiles | None, name: str) -> str:
    if spans is None:
        return "none yet"
    value: float = getattr(spans, name)
    return f"{milliseconds(value)} ms"
