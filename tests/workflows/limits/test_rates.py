"""Limits on what can be guessed."""

from __future__ import annotations

import pytest

from bootgrant.workflows.limits.rates import AttemptLimit, WhenFull, address_key, name_key


def test_a_burst_is_let_through_and_then_one_in_each_interval() -> None:
    limit = AttemptLimit(3, 10.0, when_full=WhenFull.REFUSE)
    assert [limit.attempt("a", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 10.0]
    assert limit.attempt("a", 9.0) == 1.0
    assert limit.attempt("a", 10.0) == 0.0
    assert limit.attempt("a", 10.0) == 10.0


def test_keys_do_not_disturb_each_other() -> None:
    limit = AttemptLimit(1, 10.0, when_full=WhenFull.REFUSE)
    assert [limit.attempt(key, 0.0) for key in "aab"] == [0.0, 10.0, 0.0]


def test_a_refused_attempt_costs_nothing() -> None:
    limit = AttemptLimit(1, 10.0, when_full=WhenFull.REFUSE)
    for second in range(10):
        limit.attempt("a", float(second))
    assert limit.attempt("a", 10.0) == 0.0


@pytest.mark.parametrize(("when_full", "wait"), [(WhenFull.ALLOW, 0.0), (WhenFull.REFUSE, 10.0)])
def test_a_full_table_says_what_it_was_told_to_say(when_full: WhenFull, wait: float) -> None:
    limit = AttemptLimit(1, 10.0, when_full=when_full, most_keys=2)
    limit.attempt("a", 100.0)
    limit.attempt("b", 100.0)
    assert limit.attempt("c", 100.0) == wait


def test_a_full_table_forgets_those_who_have_waited_long_enough() -> None:
    limit = AttemptLimit(1, 10.0, when_full=WhenFull.REFUSE, most_keys=2)
    limit.attempt("a", 100.0)
    limit.attempt("b", 105.0)
    assert limit.attempt("c", 111.0) == 0.0
    assert limit.attempt("b", 111.0) == 4.0


def test_an_ipv6_customer_is_one_address() -> None:
    assert address_key("2001:db8::1") == address_key("2001:db8::ffff:2")
    assert address_key("2001:db8::1") != address_key("2001:db8:0:1::1")
    assert address_key("10.0.0.1") != address_key("10.0.0.2")


def test_spellings_of_a_name_are_one_name() -> None:
    assert name_key(" Ana ") == name_key("ana") == name_key("\uff21na")
