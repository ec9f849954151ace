"""The result of a measurement, compared with its targets."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from bench.processes import OUT


@dataclass(frozen=True, slots=True)
class Bar:
    """A target: the measured ``value`` and its text ``found``, and the limit ``bar``."""

    what: str
    found: str
    value: float
    bar: float
    at_least: bool

    @property
    def met(self) -> bool:
        return self.value >= self.bar if self.at_least else self.value <= self.bar

    def line(self) -> str:
        sign = "at least" if self.at_least else "at most"
        return f"{'met    ' if self.met else 'NOT MET'}  {self.what}: {self.found} ({sign} {self.bar:g})"


@dataclass(slots=True)
class Result:
    """A table of ``head`` and ``rows``; ``figures`` has the same for programs."""

    name: str
    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    bars: Sequence[Bar]
    figures: dict[str, object] = field(default_factory=dict)

    def shown(self) -> str:
        """Return the result as Markdown, for the terminal."""
        lines = [f"### {self.title}", "", *table(self.head, self.rows), ""]
        return "\n".join([*lines, *(f"- {bar.line()}" for bar in self.bars), ""])

    def keep(self) -> None:
        """Write the result to bench/out/NAME.json."""
        OUT.mkdir(parents=True, exist_ok=True)
        members = asdict(self) | {"at": time.strftime("%Y-%m-%d %H:%M"), "python": platform.python_version()}
        (OUT / f"{self.name}.json").write_text(json.dumps(members, indent=2) + "\n", "utf-8")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table in Markdown."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)]
