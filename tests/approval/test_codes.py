"""Codes and tokens: their form, how they are read, and what the store's digests reveal."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.approval.codes import (
    ALPHABET,
    UserCodes,
    access_token,
    access_token_digest,
    api_token_digest,
    challenge_digest,
    device_code,
    device_code_digest,
    display_user_code,
    masked_user_code,
    normalise_user_code,
    session_digest,
)
from bootgrant.wire.secret import Secret
from support.grants import CODES


@given(st.text(max_size=40))
def test_a_user_code_has_eight_letters_of_the_rfc_and_is_read_as_shown(grant_id: str) -> None:
    letters = CODES.of_grant(grant_id)
    assert len(letters) == 8
    assert set(letters) <= set(ALPHABET)
    assert normalise_user_code(display_user_code(letters)) == letters


def test_codes_and_tokens_of_stored_grants_stay_the_same() -> None:
    """Grants outlive an upgrade: their codes, tokens and digests are computed again from what is stored."""
    code = device_code(b"c" * 32)
    assert CODES.of_grant("0199") == "BJVVNDML"
    assert CODES.digest("TLWKTPZG").hex()[:16] == "77c646f7d7737aae"
    assert access_token(code, b"salt").reveal() == "aKbIzad7c_YVkSkKhAmMqOW4yBLv2qUjKvK8QnB9_EQ"
    digests = (
        device_code_digest(code),
        access_token_digest(code),
        session_digest(code),
        api_token_digest(code),
        challenge_digest(b"c"),
    )
    assert hashlib.sha256(b"".join(digests)).hexdigest()[:16] == "9a0b3651e7cfe3a8"
    assert len(set(digests)) == 5


def test_a_masked_code_shows_its_first_half_and_is_not_a_code() -> None:
    assert masked_user_code("WDJB-MJHT") == "WDJB-****"
    assert normalise_user_code(masked_user_code("WDJB-MJHT")) is None


@pytest.mark.parametrize("typed", ["wdjb-mjht", "WDJBMJHT", " wdjb mjht ", "W.D.J.B/MJHT", "wdjb–mjht", "wdjb_mjht"])  # noqa: RUF001
def test_a_code_is_read_in_any_case_and_with_any_separators(typed: str) -> None:
    assert normalise_user_code(typed) == "WDJBMJHT"


@pytest.mark.parametrize("typed", ["", "WDJBMJH", "WDJBMJHTT", "ADJBMJHT", "WDJBMJH0", " " * 64 + "WDJBMJHT"])
def test_anything_else_is_not_a_code(typed: str) -> None:
    assert normalise_user_code(typed) is None


def test_a_code_within_the_first_64_typed_characters_is_read() -> None:
    assert normalise_user_code(" " * 56 + "WDJBMJHT") == "WDJBMJHT"
    assert normalise_user_code(" " * 57 + "WDJBMJHT") is None


@given(st.text())
def test_arbitrary_text_is_a_code_or_none(typed: str) -> None:
    letters = normalise_user_code(typed)
    assert letters is None or (len(letters) == 8 and set(letters) <= set(ALPHABET))


def test_another_site_has_other_codes_for_the_same_grant() -> None:
    other = UserCodes(b"o" * 32)
    assert CODES.of_grant("1") != other.of_grant("1")
    assert CODES.digest("WDJBMJHT") != other.digest("WDJBMJHT")


def test_a_token_depends_on_the_device_code_and_the_salt_of_the_grant() -> None:
    code = device_code(b"c" * 32)
    token = access_token(code, b"salt")
    assert token == access_token(code, b"salt")
    assert token != access_token(code, b"tlas")
    assert token != access_token(device_code(b"d" * 32), b"salt")


def test_secrets_do_not_show_themselves() -> None:
    code: Secret = device_code(b"c" * 32)
    assert len(code.reveal()) == 43
    assert code.reveal() not in f"{code} {code!r} {CODES!r} {[code]}"
