"""A provider's text cannot move the cursor, or hide or reorder what a person reads."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.console.wording import MAX_PROVIDER_TEXT, escape, shorten


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("ABCD\x1b[2J\x1b[H", r"ABCD\x1b[2J\x1b[H"),
        ("one\r\ntwo\tthree", r"one\r\ntwo\tthree"),
        ("\x9b31mred", r"\x9b31mred"),
        ("moc.\u202eelgoog", r"moc.\u202eelgoog"),
        ("AB\u200bCD\x7f", r"AB\u200bCD\x7f"),
        ("\udcff\U000e0041", r"\udcff\U000e0041"),
        ("https://idp.example/dévice?a=1", "https://idp.example/dévice?a=1"),
    ],
)
def test_unsafe_characters_are_spelled_out(hostile: str, shown: str) -> None:
    assert escape(hostile) == shown


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_no_control_character_is_left(hostile: str) -> None:
    assert {unicodedata.category(character) for character in escape(hostile)} & {"Cc", "Cf", "Cs", "Zl", "Zp"} == set()


@given(st.text())
def test_printable_text_is_unchanged(text: str) -> None:
    assert (escape(text) == text) == text.isprintable()


def test_a_long_text_is_visibly_cut() -> None:
    assert shorten("a" * MAX_PROVIDER_TEXT) == "a" * MAX_PROVIDER_TEXT
    assert shorten("a" * 9999) == "a" * (MAX_PROVIDER_TEXT - 1) + "…"
