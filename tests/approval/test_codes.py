"""Codes and tokens: their form, what reads back, what the store's view gives away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.approval.codes import (
    ALPHABET,
    UserCodes,
    access_token,
    device_code,
    display_user_code,
    normalise_user_code,
)
from support.grants import CODES


@given(st.text(max_size=40))
def test_a_user_code_has_eight_letters_of_the_rfc_and_reads_back(grant_id: str) -> None:
    letters = CODES.of_grant(grant_id)
    assert len(letters) == 8
    assert set(letters) <= set(ALPHABET)
    assert normalise_user_code(display_user_code(letters)) == letters


@pytest.mark.parametrize("typed", ["wdjb-mjht", "WDJBMJHT", " wdjb mjht ", "W.D.J.B/MJHT", "wdjb–mjht", "wdjb_mjht"])  # noqa: RUF001
def test_a_code_is_read_in_any_case_and_with_any_separators(typed: str) -> None:
    assert normalise_user_code(typed) == "WDJBMJHT"


@given(st.text())
def test_anything_typed_is_a_code_or_none(typed: str) -> None:
    letters = normalise_user_code(typed)
    assert letters is None or (len(letters) == 8 and set(letters) <= set(ALPHABET))


def test_another_site_makes_other_codes_of_the_same_grant() -> None:
    other = UserCodes(b"o" * 32)
    assert CODES.of_grant("1") != other.of_grant("1")
    assert CODES.digest("WDJBMJHT") != other.digest("WDJBMJHT")


def test_a_token_needs_the_device_code_and_the_grants_salt() -> None:
    code = device_code(b"c" * 32)
    token = access_token(code, b"salt")
    assert token == access_token(code, b"salt")
    assert token != access_token(code, b"tlas")
    assert token != access_token(device_code(b"d" * 32), b"salt")


def test_secrets_do_not_show_themselves() -> None:
    code = device_code(b"c" * 32)
    assert code.reveal() not in f"{code} {code!r} {CODES!r} {[code]}"
