"""How often a person may try what can be guessed, and how often a machine may poll."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.workflows.limits.rates import AttemptLimit, PollPace, WhenFull, address_key, name_key


def test_a_burst_is_allowed_and_then_one_attempt_in_each_interval() -> None:
    limit = AttemptLimit(3, 10.0, when_full=WhenFull.REFUSE)
    assert [limit.attempt("a", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 10.0]
    assert limit.attempt("a", 9.0) == 1.0
    assert limit.attempt("a", 10.0) == 0.0
    assert limit.attempt("a", 10.0) == 10.0


def test_keys_have_their_own_attempts() -> None:
    limit = AttemptLimit(1, 10.0, when_full=WhenFull.REFUSE)
    assert [limit.attempt(key, 0.0) for key in "aab"] == [0.0, 10.0, 0.0]


def test_a_refused_attempt_costs_nothing() -> None:
    limit = AttemptLimit(1, 10.0, when_full=WhenFull.REFUSE)
    for second in range(10):
        limit.attempt("a", float(second))
    assert limit.attempt("a", 10.0) == 0.0


def test_asking_for_the_wait_is_not_an_attempt() -> None:
    limit = AttemptLimit(1, 10.0, when_full=WhenFull.REFUSE)
    assert [limit.wait("a", 0.0) for _ in range(3)] == [0.0] * 3
    assert limit.attempt("a", 0.0) == 0.0
    assert [limit.wait("a", 4.0) for _ in range(3)] == [6.0] * 3


@pytest.mark.parametrize(("when_full", "wait"), [(WhenFull.ALLOW, 0.0), (WhenFull.REFUSE, 10.0)])
def test_a_full_table_allows_or_refuses_new_keys_as_configured(when_full: WhenFull, wait: float) -> None:
    limit = AttemptLimit(1, 10.0, when_full=when_full, most_keys=2)
    limit.attempt("a", 100.0)
    limit.attempt("b", 100.0)
    assert limit.attempt("c", 100.0) == wait
    assert limit.attempt("a", 100.0) == 10.0


def test_a_full_table_forgets_keys_that_have_waited_long_enough() -> None:
    limit = AttemptLimit(1, 10.0, when_full=WhenFull.REFUSE, most_keys=2)
    limit.attempt("a", 100.0)
    limit.attempt("b", 105.0)
    assert limit.attempt("c", 111.0) == 0.0
    assert limit.attempt("b", 111.0) == 4.0


def test_an_ipv6_network_is_one_address() -> None:
    assert address_key("2001:db8::1") == address_key("2001:db8::ffff:2")
    assert address_key("2001:db8::1") == address_key("2001:db8::ffff:ffff:ffff:ffff") == "2001:db8::/64"
    assert address_key("2001:db8::1") != address_key("2001:db8:0:1::1")
    assert address_key("10.0.0.1") != address_key("10.0.0.2")
    assert len(address_key("x" * 1000)) == 128


def test_spellings_of_a_name_are_one_name() -> None:
    assert name_key(" Ana ") == name_key("ana") == name_key("\uff21na")
    assert name_key("ana") != name_key("anna")
    assert len(name_key("x" * 1000)) == 128


def test_a_pair_every_interval_is_never_too_fast() -> None:
    pace = PollPace(5.0)
    arrivals = [t for poll in range(200) for t in (poll * 5.0, poll * 5.0 + 0.002)]
    assert all(pace.arrive(at) for at in arrivals)


def test_polls_that_follow_held_ones_at_once_are_never_too_fast() -> None:
    pace = PollPace(1.0)
    assert all(pace.arrive(at) for held in range(50) for at in (held * 25.0, held * 25.0 + 0.001))


def test_seven_polls_may_come_at_once_and_then_one_in_each_half_interval() -> None:
    pace = PollPace(1.0)
    assert [pace.arrive(100.0) for _ in range(9)] == [True] * 7 + [False] * 2
    assert [pace.arrive(at) for at in (100.49, 100.5, 100.5)] == [False, True, False]


def test_ten_polls_a_second_are_slowed_down() -> None:
    pace = PollPace(1.0)
    assert not all(pace.arrive(poll / 10) for poll in range(60))


def test_a_client_that_slows_down_is_allowed_again() -> None:
    pace = PollPace(1.0)
    for poll in range(1000):
        pace.arrive(poll / 100)
    assert pace.arrive(10.0 + 5.0 + 1.0)


@pytest.mark.parametrize(
    ("has_basic", "may_hold"),
    [
        ([True, False, True, False], [True, False, True, False]),
        ([False, False, False], [True, True, True]),
        ([True, True, False, False], [True, True, False, True]),
    ],
    ids=["Talos", "acquire", "a lost second half"],
)
def test_only_the_second_half_of_a_pair_is_answered_at_once(has_basic: list[bool], may_hold: list[bool]) -> None:
    pace = PollPace(1.0)
    assert [pace.may_hold(has_basic=each) for each in has_basic] == may_hold


def test_a_server_that_just_started_takes_the_first_request_of_a_code_for_a_second_half() -> None:
    """The server before it may have died with the first half."""
    pace = PollPace(1.0, is_complete=False)
    assert [pace.may_hold(has_basic=False) for _ in range(2)] == [False, True]


@given(st.lists(st.floats(0, 0.2), min_size=200, max_size=400))
def test_no_client_is_locked_out_however_fast_it_polls(gaps: list[float]) -> None:
    pace, at, passed = PollPace(1.0), 0.0, 0
    for gap in gaps:
        at += gap
        passed += pace.arrive(at)
    assert passed >= at  # at least half the fair rate of two per second
