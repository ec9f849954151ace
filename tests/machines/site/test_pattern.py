"""Patterns: what they match, what two of them share, and that no pattern takes long."""

from __future__ import annotations

import fnmatch
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.machines.site.model import parse_site
from bootgrant.machines.site.overlap import shared_text, shared_text_of_shape
from bootgrant.machines.site.pattern import common, pattern
from bootgrant.machines.site.selection import Selector, ties
from bootgrant.wire.identity import MachineIdentity

WORDS = [""] + ["".join(word) for length in range(1, 6) for word in product("ab", repeat=length)]
PATTERNS = st.text("ab?*", min_size=1, max_size=6).map(lambda text: "*".join(filter(None, text.split("**"))) or "*")


def fits(text: str, value: str) -> bool:
    return fnmatch.fnmatchcase(value, text)


@settings(max_examples=300, deadline=None)
@given(PATTERNS.filter(lambda text: "*" in text or "?" in text))
def test_a_pattern_matches_what_the_shell_would_match(text: str) -> None:
    made = pattern("serial", text)
    assert [made.matches(word) for word in WORDS[1:]] == [fits(made.text, word) for word in WORDS[1:]]


@settings(max_examples=500, deadline=None)
@given(PATTERNS, PATTERNS)
def test_two_patterns_share_a_text_exactly_if_there_is_one(one: str, other: str) -> None:
    one, other = one.replace("**", "*").replace("**", "*"), other.replace("**", "*").replace("**", "*")
    shared = shared_text(one, other)
    if shared is None:
        assert not [word for word in WORDS[1:] if fits(one, word) and fits(other, word)]
    else:
        assert shared
        assert fits(one, shared)
        assert fits(other, shared)


@settings(max_examples=500, deadline=None)
@given(st.text("0a:?*", max_size=7), st.text("0a:?*", max_size=7))
def test_two_patterns_share_a_text_of_a_shape_exactly_if_there_is_one(one: str, other: str) -> None:
    for _ in range(3):
        one, other = one.replace("**", "*"), other.replace("**", "*")
    shared = shared_text_of_shape(one, other, "h:hh")
    possible = [f"{a}:{b}{c}" for a, b, c in product("0a1", repeat=3)]
    if shared is None:
        assert not [word for word in possible if fits(one, word) and fits(other, word)]
    else:
        assert (len(shared), shared[1]) == (4, ":")
        assert fits(one, shared)
        assert fits(other, shared)


def steps_of(run: object) -> int:
    """Count the lines that a call runs: a measure of work that does not depend on the machine."""
    import sys

    count = 0

    def trace(_frame: object, event: str, _argument: object) -> object:
        nonlocal count
        count += event == "line"
        return trace

    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        assert callable(run)
        run()
    finally:
        sys.settrace(None)
    return count


@pytest.mark.parametrize("piece", ["?*", "a*", "?a*", "*?b"])
def test_no_pattern_takes_long_to_match_or_to_compare(piece: str) -> None:
    long = pattern("serial", (piece * 128)[:250] + "z*")
    other = pattern("serial", ("?*a" * 128)[:250] + "y*")
    text = "a" * 256
    assert steps_of(lambda: long.matches(text)) < 20_000
    assert steps_of(lambda: common(long, other)) < 20_000


def test_a_table_of_hostile_patterns_is_compared_in_steps_that_do_not_explode() -> None:
    lines = [f"  - {{name: n{number}, match: {{serial: '{'?*' * 100}{number:03}*'}}}}" for number in range(40)]
    entries = parse_site({"machines.yaml": ("entries:\n" + "\n".join(lines)).encode()}).entries
    assert len(entries) == 40
    assert steps_of(lambda: ties(entries)) < 3_000_000
    assert steps_of(lambda: Selector(entries).select(MachineIdentity(serial="a" * 250))) < 200_000
