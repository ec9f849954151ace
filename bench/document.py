"""Write the latest results into docs/performance.md and docs/scaling.md: ``python -m bench.document``.

Only the part between the marks of each page is generated.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench.measurements import MEASUREMENTS
from bench.model import Cost, most_machines, need
from bench.processes import OUT, ROOT
from bench.result import table

_BEGIN = "<!-- begin: made by `python -m bench.document` from bench/out -->"
_END = "<!-- end -->"


def main() -> None:
    results = {
        name: json.loads(file.read_text("utf-8")) for name in MEASUREMENTS if (file := OUT / f"{name}.json").exists()
    }
    _put("performance.md", _measured(list(results.values())))
    if {"capacity", "replicas"} <= set(results):
        _put("scaling.md", _model(results["capacity"]["figures"]["costs"], results["replicas"]["figures"]))


def _put(name: str, made: str) -> None:
    page = ROOT / "docs" / name
    head, _, rest = page.read_text("utf-8").partition(_BEGIN)
    page.write_text(f"{head}{_BEGIN}\n{made}{_END}{rest.partition(_END)[2]}", "utf-8")


def _model(costs: list[dict[str, float]], shared: dict[str, list[float]]) -> str:
    plain = [cost for cost in costs if not cost.get("tls")]
    over_tls = next(cost for cost in costs if cost.get("tls"))
    largest = plain[-1]
    one, tls = (Cost(*(c[name] for name in ("ask", "poll", "deliver", "kib", "wire"))) for c in (largest, over_tls))
    server, database = (Cost(*(shared[name][which] for name in ("ask", "poll", "deliver"))) for which in (0, 1))
    server = replace(server, kib=one.kib, wire=one.wire)
    lines = ["### What one machine costs", "", *_costs(plain, over_tls, server, database)]
    lines += ["", "### Does the cost depend on the number of machines?", "", *_scaled(plain)]
    lines += ["", "### One server", "", *_one_server(one, tls)]
    lines += ["", "### Several servers on PostgreSQL", "", *_several(server, database)]
    return "\n".join(lines) + "\n"


def _costs(plain: list[dict[str, float]], tls: dict[str, float], server: Cost, database: Cost) -> list[str]:
    head = ["", "request, µs", "poll, µs", "approval and delivery, µs", "memory, KiB", "network per poll, bytes"]
    names = ("ask", "poll", "deliver", "kib", "wire")
    rows = [[f"SQLite, {cost['machines']:,.0f} machines", *_cells(cost[n] for n in names)] for cost in plain]
    rows.append(["SQLite, with TLS in the server", *_cells(tls[n] for n in names)])
    rows.append(["PostgreSQL: server", *_cells((server.ask, server.poll, server.deliver)), "", ""])
    rows.append(["PostgreSQL: database", *_cells((database.ask, database.poll, database.deliver)), "", ""])
    return table(head, rows)


def _scaled(plain: list[dict[str, float]]) -> list[str]:
    first = plain[0]
    head = ["machines", "CPU per poll ÷ model", "memory ÷ model", "CPU per delivery ÷ model"]
    names = ("poll", "kib", "deliver")
    return table(head, [[f"{c['machines']:,.0f}", *(f"{c[n] / first[n]:.2f}" for n in names)] for c in plain])


def _one_server(one: Cost, tls: Cost) -> list[str]:
    head = ["waiting machines", "polls/s", "core in use", "core in use with TLS", "memory, MB", "Mbit/s"]
    rows = []
    for machines in (1_000, 10_000, 50_000, 100_000):
        here, secure = need(one, machines), need(tls, machines)
        shares = (f"{here.cores:.0%}", f"{secure.cores:.0%}")
        rows.append([f"{machines:,}", f"{here.polls:,.0f}", *shares, f"{here.memory:,.0f}", f"{here.megabits:,.1f}"])
    most = f"Half a core is enough for about {_most(one)} machines, or {_most(tls)} with TLS in the server."
    return [*table(head, rows), "", most]


def _several(server: Cost, database: Cost) -> list[str]:
    head = ["waiting machines", "polls/s", "servers", "PostgreSQL cores", "rows/s", "total memory, GB"]
    rows = []
    for machines in (100_000, 300_000, 1_000_000):
        here, there = need(server, machines), need(database, machines)
        memory = f"{(here.memory + (here.servers - 1) * 42) / 1024:,.1f}"
        figures = (f"{here.polls:,.0f}", f"{here.servers}", f"{there.cores:,.1f}", f"{here.rows:,.0f}", memory)
        rows.append([f"{machines:,}", *figures])
    return table(head, rows)


def _cells(values: Iterable[float]) -> list[str]:
    return [f"{value:,.1f}" if value < 100 else f"{value:,.0f}" for value in values]


def _most(cost: Cost) -> str:
    """Round down to two significant digits, the precision of the model."""
    machines = most_machines(cost)
    step: int = 10 ** (len(str(machines)) - 2)
    return f"{machines // step * step:,}"


def _measured(results: list[dict[str, Any]]) -> str:
    lines = [f"Measured on {results[-1]['at'][:10]}: {_machine()}.", "", *_bars(results)]
    for result in results:
        lines += ["", f"### {result['title']}", "", f"`make bench ONLY={result['name']}`", ""]
        lines += table(result["head"], result["rows"])
    return "\n".join(lines) + "\n"


def _bars(results: list[dict[str, Any]]) -> list[str]:
    rows = []
    for result in results:
        for bar in result["bars"]:
            met = bar["value"] >= bar["bar"] if bar["at_least"] else bar["value"] <= bar["bar"]
            limit = f"{'at least' if bar['at_least'] else 'at most'} {bar['bar']:g}"
            rows.append([f"`{result['name']}`", bar["what"], limit, bar["found"], "yes" if met else "**no**"])
    return table(["measurement", "quantity", "target", "result", "met"], rows)


def _machine() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    model = names[0].partition(":")[2].strip() if names else platform.machine()
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores of {model}, {system}"


if __name__ == "__main__":
    main()
