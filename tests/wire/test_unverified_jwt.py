"""A JWT is parsed without its signature, and anything else is recognised as not being one."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.wire.secret import Secret
from bootgrant.wire.unverified_jwt import read_unverified


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_header_and_claims_are_returned() -> None:
    for claims in ({"sub": "a"}, {"sub": "ab"}, {"sub": "abc"}, {"sub": "abcd", "url": "https://x/?~~~>>>"}):
        token = Secret(f"{part({'alg': 'RS256'})}.{part(claims)}.signature")
        assert read_unverified(token) == ({"alg": "RS256"}, claims)


@pytest.mark.parametrize("length", range(12))
def test_claims_of_any_length_are_returned(length: int) -> None:
    claims = {"s": "a" * length}
    assert read_unverified(Secret(f"{part({})}.{part(claims)}.x")) == ({}, claims)


@pytest.mark.parametrize(
    "token",
    ["", "opaque", "a.b", f"{part({})}.{part({})}", f"{part({})}.{part({})}.x.y", f"{part([])}.{part({})}.x",
     f"{part({})}.{part('claims')}.x", f"{part({})}.!.x", f"{part({})}.e30e.x", f"ä.{part({})}.x",
     f"{part({})}.{base64.urlsafe_b64encode(b'[' * 6000).decode()}.x"],
)  # fmt: skip
def test_a_token_that_is_not_a_jwt_is_recognised(token: str) -> None:
    assert read_unverified(Secret(token)) is None


def test_a_token_longer_than_the_limit_is_not_parsed() -> None:
    token = f"{part({})}.{part({})}."
    assert read_unverified(Secret(token.ljust(16 * 1024, "x"))) is not None
    assert read_unverified(Secret(token.ljust(16 * 1024 + 1, "x"))) is None
    assert read_unverified(Secret(token), len(token)) is not None
    assert read_unverified(Secret(token), len(token) - 1) is None


@given(st.text())
def test_arbitrary_text_is_parsed_or_not_a_jwt(text: str) -> None:
    read_unverified(Secret(text))
