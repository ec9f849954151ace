"""Durations fall into the right buckets."""

from __future__ import annotations

from bootgrant.store.database import Durations


def test_a_duration_counts_in_its_bucket_and_in_all_larger_ones() -> None:
    durations = Durations((1.0, 5.0))
    for seconds in (0.5, 1.0, 4.0, 60.0):
        durations.add(seconds)
    assert durations.cumulative() == [("1.0", 2), ("5.0", 3), ("+Inf", 4)]
    assert durations.total == 65.5


def test_a_clock_that_was_set_back_subtracts_nothing() -> None:
    durations = Durations((1.0,))
    durations.add(-3.0)
    assert (durations.cumulative()[0], durations.total) == (("1.0", 1), 0.0)
