"""Puts the last results into docs/performance.md, between its two marks: ``python -m bench.document``."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

from bench.processes import OUT, ROOT

_BEGIN = "<!-- begin: made by `python -m bench.document` from bench/out -->"
_END = "<!-- end -->"
_ORDER = (
    "device_code",
    "token_pending",
    "token_scale",
    "waiting_cpu",
    "approval",
    "held",
    "boot_storm",
    "capacity",
    "replicas",
)


def main() -> None:
    """Write the page anew; what stands outside the marks stays."""
    page = ROOT / "docs" / "performance.md"
    text = page.read_text("utf-8")
    head, _, rest = text.partition(_BEGIN)
    tail = rest.partition(_END)[2]
    results = [json.loads(file.read_text("utf-8")) for name in _ORDER if (file := OUT / f"{name}.json").exists()]
    page.write_text(f"{head}{_BEGIN}\n{_measured(results)}{_END}{tail}", "utf-8")


def _measured(results: list[dict[str, Any]]) -> str:
    lines = [f"Measured on {results[-1]['at'][:10]}: {_machine()}.", "", *_bars(results)]
    for result in results:
        lines += ["", f"### {result['title']}", "", f"`make bench ONLY={result['name']}`", ""]
        lines += _table(result["head"], result["rows"])
    return "\n".join(lines) + "\n"


def _bars(results: list[dict[str, Any]]) -> list[str]:
    rows = []
    for result in results:
        for bar in result["bars"]:
            met = bar["value"] >= bar["bar"] if bar["at_least"] else bar["value"] <= bar["bar"]
            limit = f"{'at least' if bar['at_least'] else 'at most'} {bar['bar']:g}"
            rows.append([f"`{result['name']}`", bar["what"], limit, bar["found"], "yes" if met else "**no**"])
    return _table(["measurement", "what", "bar", "found", "met"], rows)


def _table(head: list[str], rows: list[list[str]]) -> list[str]:
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores of {model}, {system}"


if __name__ == "__main__":
    main()
