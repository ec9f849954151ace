"""When machines come: curves over a span of time. Pure; the dice are the caller's."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import Final

_RACK: Final = 40
"""Machines behind one power switch."""


class Curve(StrEnum):
    """How arrivals are spread over their span."""

    EVEN = "even"
    RANDOM = "random"
    WAVE = "wave"
    RACKS = "racks"


def arrivals(machines: int, span: float, curve: Curve, dice: random.Random) -> list[float]:
    """Seconds after the start at which each machine asks, in order, all within ``span``.

    EVEN: one after the other. RANDOM: each whenever it likes. WAVE: most in the middle, as after a power cut, when
    every firmware takes its own time. RACKS: forty at once.
    """
    match curve:
        case Curve.EVEN:
            return [span * index / machines for index in range(machines)]
        case Curve.RANDOM:
            return sorted(dice.uniform(0.0, span) for _ in range(machines))
        case Curve.WAVE:
            return sorted(_bell(dice) * span for _ in range(machines))
        case Curve.RACKS:
            racks = -(-machines // _RACK)
            return [span * (index // _RACK) / racks for index in range(machines)]


def _bell(dice: random.Random) -> float:
    """A number in [0, 1), most often near the middle: the mean of four throws."""
    return sum(dice.random() for _ in range(4)) / 4
