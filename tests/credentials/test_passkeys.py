"""Answers of browsers to WebAuthn options, most of them malformed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webauthn.helpers import bytes_to_base64url

from bootgrant.credentials.passkeys import WebAuthnCeremony
from bootgrant.ports.people import Passkey
from support.grants import NOW

CEREMONY = WebAuthnCeremony("http://localhost:8080")
PHONE = Passkey(b"id", "ana", b"handle", b"no COSE key", 0, "phone", NOW)
MEMBERS = st.sampled_from(["id", "rawId", "type", "response", "clientDataJSON", "attestationObject", "signature"])
ANSWERS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=7),
    max_leaves=12,
)


@given(ANSWERS.map(json.dumps) | st.text())
def test_a_malformed_answer_is_refused_without_a_fault(answer: str) -> None:
    assert CEREMONY.challenge_of(answer) is None
    assert CEREMONY.read_assertion(answer) is None
    assert CEREMONY.verify_creation(answer, b"c" * 32) is None
    assert CEREMONY.verify_assertion(answer, b"c" * 32, PHONE, verified=True) is None


def answer_with(**members: object) -> str:
    client_data = {
        "type": "webauthn.get",
        "challenge": bytes_to_base64url(b"c" * 32),
        "origin": "http://localhost:8080",
        **members,
    }
    response = {
        "clientDataJSON": bytes_to_base64url(json.dumps(client_data).encode()),
        "authenticatorData": bytes_to_base64url(b"\0" * 37),
        "attestationObject": bytes_to_base64url(b"\xa0"),
        "signature": bytes_to_base64url(b"s"),
    }
    return json.dumps({"id": "aWQ", "rawId": "aWQ", "type": "public-key", "response": response})


def test_a_well_formed_answer_is_read_and_its_false_signature_refused() -> None:
    assertion = CEREMONY.read_assertion(answer_with())
    assert assertion is not None
    assert (assertion.challenge, assertion.credential_id, assertion.handle) == (b"c" * 32, b"id", b"")
    assert CEREMONY.verify_assertion(answer_with(), b"c" * 32, PHONE, verified=True) is None
    assert CEREMONY.verify_creation(answer_with(type="webauthn.create"), b"c" * 32) is None


@pytest.mark.parametrize("nested", ["[" * 5000, '{"id":' * 5000])
def test_a_deeply_nested_answer_is_refused_without_a_fault(nested: str) -> None:
    assert CEREMONY.read_assertion(nested) is None
    assert CEREMONY.challenge_of(nested) is None


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://boot.example.org", "https://boot.example.org"),
        ("https://Boot.example.org:443", "https://boot.example.org"),
        ("https://boot.example.org:8443", "https://boot.example.org:8443"),
    ],
)
def test_the_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert WebAuthnCeremony(url).origin == origin
