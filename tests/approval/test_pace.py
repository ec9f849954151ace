"""The polling rule: Talos's pairs are fair, a client that is too fast is slowed to its rate and never locked out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bootgrant.workflows.limits.rates import PollPace


def test_a_pair_every_interval_is_never_too_fast() -> None:
    pace = PollPace(5.0)
    arrivals = [t for poll in range(200) for t in (poll * 5.0, poll * 5.0 + 0.002)]
    assert all(pace.arrive(at) for at in arrivals)


def test_polls_that_follow_held_ones_at_once_are_never_too_fast() -> None:
    pace = PollPace(1.0)
    assert all(pace.arrive(at) for held in range(50) for at in (held * 25.0, held * 25.0 + 0.001))


def test_ten_polls_a_second_are_told_to_slow_down() -> None:
    pace = PollPace(1.0)
    assert not all(pace.arrive(poll / 10) for poll in range(60))


def test_a_client_that_slows_down_is_let_through_again() -> None:
    pace = PollPace(1.0)
    for poll in range(1000):
        pace.arrive(poll / 100)
    assert pace.arrive(10.0 + 5.0 + 1.0)


@given(st.lists(st.floats(0, 0.2), min_size=200, max_size=400))
def test_no_client_is_locked_out_however_fast_it_polls(gaps: list[float]) -> None:
    pace, at, passed = PollPace(1.0), 0.0, 0
    for gap in gaps:
        at += gap
        passed += pace.arrive(at)
    assert passed >= at  # half the fair rate of two a second, at least
