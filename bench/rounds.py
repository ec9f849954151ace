"""Rounds of measurements: each round measures every server once, and ratios are computed within a round."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """The median, the lowest and the highest of some values."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))

    def shown(self, digits: int = 0) -> str:
        return f"{self.median:,.{digits}f} ({self.low:,.{digits}f} to {self.high:,.{digits}f})"


Rounds = dict[str, list[float]]
"""The values of each server, one per round."""


def interleaved(
    rounds: int, measure: Mapping[str, Callable[[], Mapping[str, float]]], say: Callable[[str], None]
) -> dict[str, Rounds]:
    """Measure every server once per round, in rotating order. Return the values by figure and server."""
    found: dict[str, Rounds] = {}
    names = list(measure)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            figures = measure[name]()
            say(
                f"  round {number + 1}: {name}: " + ", ".join(f"{what} {value:,.1f}" for what, value in figures.items())
            )
            for what, value in figures.items():
                found.setdefault(what, {}).setdefault(name, []).append(value)
    return found


def comparison(found: Mapping[str, Rounds], digits: int) -> list[list[str]]:
    """Return a row per server: its rate and its CPU per request, each also compared with oidc-provider's."""
    rates, costs = found["req/s"], found["CPU µs"]
    return [
        [
            name,
            Spread.of(rates[name]).shown(),
            ratio(rates, name, "oidc-provider").shown(2),
            Spread.of(costs[name]).shown(digits),
            ratio(costs, "oidc-provider", name).shown(2),
        ]
        for name in rates
    ]


def ratio(values: Rounds, first: str, second: str) -> Spread:
    """Return ``first`` divided by ``second``, per round."""
    return Spread.of([one / other for one, other in zip(values[first], values[second], strict=True)])
