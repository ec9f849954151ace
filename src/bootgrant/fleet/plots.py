"""Plots as SVG text for the report's page: lines over time, and how a set of durations is spread. No scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH: Final = 720
_HEIGHT: Final = 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 24, 12, 30


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plot; ``style`` is its CSS class."""

    name: str
    style: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axis:
    """From 0 (or ``low``) to ``high``; ``unit`` stands behind the numbers. A ``log`` axis counts in powers of ten."""

    high: float
    unit: str
    low: float = 0.0
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value stands, from 0 to 1."""
        if not self.log:
            return (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        low, high = math.log10(self.low), math.log10(self.high)
        return (math.log10(max(value, self.low)) - low) / (high - low) if high > low else 0.0

    def ticks(self) -> list[float]:
        """About five round numbers."""
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
    """A plot with its axes and, where there are several lines, their names; ``title`` is for screen readers."""
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
