"""Untrusted text made safe to read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.operator_plane.visible import MOST_SHOWN, show


def test_plain_ascii_is_one_run_without_a_mark() -> None:
    shown = show("52:2f:fd <b>{{7*7}}</b>")
    assert [run.text for run in shown.runs] == ["52:2f:fd <b>{{7*7}}</b>"]
    assert not shown.is_odd


@pytest.mark.parametrize(
    "character", ["\u202e", "\u2066", "\x1b", "\x00", "\u200b", "\u00a0", "\u0301", "\ud800", "\u3164"]
)
def test_an_invisible_character_is_shown_as_its_code_point(character: str) -> None:
    shown = show(f"a{character}b")
    assert [run.text for run in shown.runs] == ["a", f"U+{ord(character):04X}", "b"]
    assert shown.is_odd


def test_a_look_alike_letter_is_marked_and_named() -> None:
    marked = show("w\u043erker").runs[1]
    assert (marked.text, marked.note) == ("\u043e", "U+043E CYRILLIC SMALL LETTER O")


def test_long_text_is_cut_and_the_rest_counted() -> None:
    shown = show("A" * (MOST_SHOWN + 7))
    assert (len(shown.runs[0].text), shown.cut, shown.is_odd) == (MOST_SHOWN, 7, True)


@given(st.text())
def test_unmarked_text_is_always_printable_ascii(text: str) -> None:
    shown = show(text)
    for run in shown.runs:
        run.text.encode()
        assert run.note or all(" " <= character <= "~" for character in run.text)
