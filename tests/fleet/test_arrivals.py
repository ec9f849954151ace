from __future__ import annotations

import random

import pytest

from bootgrant.fleet.arrivals import Curve, arrivals


@pytest.mark.parametrize("curve", list(Curve))
def test_every_machine_comes_within_the_span_and_in_order(curve: Curve) -> None:
    moments = arrivals(101, 60.0, curve, random.Random(1))
    assert len(moments) == 101
    assert moments == sorted(moments)
    assert 0.0 <= moments[0] <= moments[-1] < 60.0


def test_a_wave_is_highest_in_the_middle() -> None:
    moments = arrivals(1000, 90.0, Curve.WAVE, random.Random(1))
    middle = sum(30.0 <= moment < 60.0 for moment in moments)
    assert middle > 600


def test_racks_come_forty_at_once() -> None:
    moments = arrivals(100, 30.0, Curve.RACKS, random.Random(1))
    assert [moments.count(moment) for moment in sorted(set(moments))] == [40, 40, 20]


def test_the_same_dice_make_the_same_arrivals() -> None:
    assert arrivals(50, 9.0, Curve.RANDOM, random.Random(7)) == arrivals(50, 9.0, Curve.RANDOM, random.Random(7))
