"""The report of a rehearsal as one page of HTML: everything is in it, and it asks nobody for anything."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from bootgrant.fleet.observations import Step
from bootgrant.fleet.plots import Axis, Line, plot
from bootgrant.fleet.report import Percentiles, Report, Sample, milliseconds, request_table

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --paper: #fff; --card: #f4f6f8; --rule: #d9dee5;
  --a: #1f5fbf; --b: #b35900; --c: #7a3fb0; --d: #18794e; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #9aa6b5; --paper: #12161c; --card: #1b2129;
  --rule: #333c48; --a: #7db0ff; --b: #ffb066; --c: #cfa3ff; --d: #6fd3a2; --bad: #ff8a80; } }
* { box-sizing: border-box }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 3rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.5rem; margin: 0 0 .25rem } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem }
p { margin: .25rem 0 } .soft { color: var(--soft) } .bad { color: var(--bad) }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .75rem; margin: 1.25rem 0 }
dl div { background: var(--card); border-radius: .5rem; padding: .75rem 1rem }
dt { color: var(--soft); font-size: .85rem } dd { margin: 0; font-size: 1.35rem; font-variant-numeric: tabular-nums }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--rule); font-weight: normal }
th:first-child, td:first-child { text-align: left } thead th { color: var(--soft); font-size: .85rem }
.wide { overflow-x: auto }
.legend { font-size: .85rem } .legend span { margin-right: 1rem } .legend span::before { content: "\\25A0  " }
.legend .a { color: var(--a) } .legend .b { color: var(--b) }
.legend .c { color: var(--c) } .legend .d { color: var(--d) }
svg { width: 100%; min-width: 36rem; height: auto } svg text { fill: var(--soft); font-size: 11px }
svg .grid { stroke: var(--rule); stroke-width: 1 } svg polyline { fill: none; stroke-width: 2; stroke-linejoin: round }
svg polyline.a { stroke: var(--a) } svg polyline.b { stroke: var(--b) } svg polyline.c { stroke: var(--c) }
svg polyline.d { stroke: var(--d) }
"""


def as_page(report: Report) -> str:
    """The whole page."""
    return "\n".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Rehearsal {escape(report.run)}</title><style>{_STYLE}</style></head><body>",
            *_head(report),
            *_plots(report),
            *_requests(report),
            *_troubles(report),
            "</body></html>",
            "",
        )
    )


def _head(report: Report) -> list[str]:
    scenario, decisions = report.scenario, report.scenario.decisions
    style = "" if report.complete else ' class="bad"'
    how = {0: "all in one batch", 1: "one by one"}.get(decisions.batch, f"in batches of {decisions.batch}")
    told = (
        f"{scenario.machines} machines that behave as {scenario.kind} came over {scenario.arrive:g} s"
        f" ({scenario.curve}) and asked {report.target}; people decided {decisions.after:g} s after a code was shown,"
        f" {how}. Run {report.run}."
    )
    parts = [
        f"<h1{style}>{report.delivered} of {scenario.machines} machines have their configuration</h1>",
        f'<p class="soft">{escape(told)}</p>',
    ]
    if report.doubt:
        parts.append(f'<p class="bad">{escape(report.doubt.capitalize())}: the server may be faster than this.</p>')
    tiles = {
        "the whole rehearsal": f"{report.took:.1f} s",
        "approval to configuration, p50": _milliseconds(report.approval_to_config, "p50"),
        "approval to configuration, p99": _milliseconds(report.approval_to_config, "p99"),
        "boot to code, p99": _milliseconds(report.boot_to_code, "p99"),
        "requests open at once": str(report.most_open),
        "codes shown after the first": str(report.new_codes),
    }
    cells = (f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in tiles.items())
    return [*parts, "<dl>", *cells, "</dl>"]


def _plots(report: Report) -> list[str]:
    samples = report.timeline
    took = Axis(max([report.took, *(sample.at for sample in samples)]), " s")
    parts = [
        "<h2>Machines</h2>",
        plot("Machines over time", took, _count(report.scenario.machines), _machines(samples)),
    ]
    rates = _rates(samples)
    highest = max((y for line in rates for _, y in line.points), default=0.0)
    parts += ["<h2>Requests a second</h2>", plot("Requests a second over time", took, _count(highest), rates)]
    slow = Line("slowest", "a", [(s.at, s.codes_took * 1000) for s in samples if s.requests[Step.CODES]])
    most = max((y for _, y in slow.points), default=0.0)
    parts += [
        "<h2>How long a machine waits for its code</h2>",
        plot("Slowest answer to POST /device/code over time", took, Axis(max(most, 1.0), " ms"), [slow]),
    ]
    if report.waits:
        parts += ["<h2>From approval to configuration</h2>", _spread(report.waits)]
    return parts


def _count(highest: float) -> Axis:
    return Axis(max(highest, 1.0), "")


def _machines(samples: Sequence[Sample]) -> list[Line]:
    named = (("booted", "a"), ("shown", "b"), ("approved", "c"), ("delivered", "d"))
    words = {"shown": "show a code"}
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
    """Which share of the machines had their configuration after which time."""
    values = [max(wait * 1000, 0.1) for wait in waits]
    low = 10.0 ** _power(values[0])
    across = Axis(10.0 ** (_power(values[-1]) + 1), " ms", low, log=True)
    every = max(1, len(values) // 400)
    points = [(value, (index + 1) * 100 / len(values)) for index, value in enumerate(values)]
    shown = [(low, 0.0), *points[::every], points[-1]]
    return plot(
        "Share of machines over time since approval", across, Axis(100.0, " %"), [Line("delivered", "d", shown)]
    )


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
        f'<p class="soft">{_HELD_MEANS}</p>',
    ]


_HELD_MEANS: Final = (
    "Held: kept by the server for more than a second, so that the machine hears of the decision at once."
)


def _outcomes(outcomes: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())


def _troubles(report: Report) -> list[str]:
    if not report.troubles:
        return ["<h2>Troubles</h2>", "<p>None.</p>"]
    rows = (f"<tr><td>{escape(what)}</td><td>{count}</td></tr>" for what, count in report.troubles.items())
    return ["<h2>Troubles</h2>", f"<table><tbody>{''.join(rows)}</tbody></table>"]


def _milliseconds(spans: Percentiles | None, name: str) -> str:
    if spans is None:
        return "nobody yet"
    value: float = getattr(spans, name)
    return f"{milliseconds(value)} ms"
