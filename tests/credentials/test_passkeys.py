"""Answers of browsers to WebAuthn options, most of them malformed."""

from __future__ import annotations

import json
from dataclasses import replace

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from hypothesis import given
from hypothesis import strategies as st
from webauthn.helpers import bytes_to_base64url

from bootgrant.credentials.passkeys import WebAuthnCeremony
from bootgrant.ports.people import NewCredential, Passkey, PasskeyFlaw
from support.grants import NOW
from support.soft_passkey import SoftPasskey

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
    assert CEREMONY.verify_creation(answer, b"c" * 32) is PasskeyFlaw.WRONG
    assert CEREMONY.verify_assertion(answer, b"c" * 32, PHONE, verified=True) is PasskeyFlaw.WRONG


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
    assert CEREMONY.verify_assertion(answer_with(), b"c" * 32, PHONE, verified=True) is PasskeyFlaw.WRONG
    assert CEREMONY.verify_creation(answer_with(type="webauthn.create"), b"c" * 32) is PasskeyFlaw.WRONG


def passkey_in(members: dict[str, object] | None = None) -> SoftPasskey:
    """A passkey in a browser that adds these ``members`` to what it signs."""
    return SoftPasskey("http://localhost:8080", "localhost", 7, b"phone", members=members or {})


@pytest.mark.parametrize(
    ("members", "is_accepted"),
    [
        ({}, True),
        ({"crossOrigin": False}, True),
        ({"crossOrigin": True}, False),
        ({"crossOrigin": "false"}, False),
        ({"crossOrigin": True, "topOrigin": "https://evil.example"}, False),
        ({"crossOrigin": False, "topOrigin": "http://localhost:8080"}, False),
    ],
)
def test_a_passkey_that_was_used_inside_another_site_is_refused(members: dict[str, object], is_accepted: bool) -> None:
    options = CEREMONY.creation_options(b"c" * 32, b"h", "ana", [])
    created = CEREMONY.verify_creation(passkey_in(members).register(options), b"c" * 32)
    assert isinstance(created, NewCredential) if is_accepted else created is PasskeyFlaw.CROSS_ORIGIN
    honest = CEREMONY.verify_creation(passkey_in().register(options), b"c" * 32)
    assert isinstance(honest, NewCredential)
    phone = replace(PHONE, public_key=honest.public_key)
    answer = passkey_in(members).sign_in(CEREMONY.request_options(b"d" * 32, [b"phone"], verified=True))
    counted = CEREMONY.verify_assertion(answer, b"d" * 32, phone, verified=True)
    assert counted == (1 if is_accepted else PasskeyFlaw.CROSS_ORIGIN)


@pytest.mark.parametrize(("bits", "is_accepted"), [(1024, False), (2047, False), (2048, True)])
def test_a_passkey_with_a_short_rsa_key_is_refused(bits: int, is_accepted: bool) -> None:
    numbers = generate_private_key(65537, bits).public_key().public_numbers()
    # RFC 8230: key type RSA, algorithm RS256, modulus, exponent.
    key = cbor2.dumps({1: 3, 3: -257, -1: numbers.n.to_bytes((bits + 7) // 8, "big"), -2: b"\x01\x00\x01"})
    phone = passkey_in()
    answer = phone.register(CEREMONY.creation_options(b"c" * 32, b"h", "ana", []), cose_key=key)
    created = CEREMONY.verify_creation(answer, b"c" * 32)
    assert isinstance(created, NewCredential) if is_accepted else created is PasskeyFlaw.WEAK_KEY
    asked = CEREMONY.request_options(b"d" * 32, [b"phone"], verified=True)
    refused = CEREMONY.verify_assertion(phone.sign_in(asked), b"d" * 32, replace(PHONE, public_key=key), verified=True)
    assert refused is (PasskeyFlaw.WRONG if is_accepted else PasskeyFlaw.WEAK_KEY)


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
