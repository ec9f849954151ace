"""The proof that a browser was used before: what it reveals, and what is not accepted in its place."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from bootgrant.approval.devices import LIFETIME, TEXT_LENGTH, DeviceProofs
from bootgrant.wire.secret import Secret
from support.grants import NOW

PROOFS = DeviceProofs(b"k" * 32)
DEVICE = hashlib.sha256(b"device").digest()[:16]


def test_a_proof_is_read_for_its_operator_however_the_name_is_spelled() -> None:
    proof = PROOFS.make("Ana", "hash", DEVICE, NOW)
    assert len(proof.reveal()) == TEXT_LENGTH
    for name in ("Ana", "ana", " ANA "):
        device = PROOFS.read(proof, name, NOW)
        assert device is not None
        assert device.device_id == DEVICE
        assert PROOFS.belongs(device, "hash")
        assert not PROOFS.belongs(device, "another hash")
    assert PROOFS.read(proof, "ben", NOW) is None
    assert DeviceProofs(b"other" * 8).read(proof, "ana", NOW) is None


def test_a_proof_ends_after_ninety_days() -> None:
    proof = PROOFS.make("ana", "hash", DEVICE, NOW)
    assert PROOFS.read(proof, "ana", NOW + LIFETIME - 1) is not None
    assert PROOFS.read(proof, "ana", NOW + LIFETIME) is None


def test_an_operator_without_a_password_has_no_proof() -> None:
    device = PROOFS.read(PROOFS.make("ana", "", DEVICE, NOW), "ana", NOW)
    assert device is not None
    assert not PROOFS.belongs(device, "")


def test_a_proof_and_its_key_are_not_printed() -> None:
    proof = PROOFS.make("ana", "hash", DEVICE, NOW)
    assert proof.reveal() not in repr(proof)
    assert "kkk" not in repr(PROOFS)


@given(st.text(min_size=TEXT_LENGTH, max_size=TEXT_LENGTH) | st.text(max_size=100))
def test_any_other_text_is_refused_without_a_fault(text: str) -> None:
    assert PROOFS.read(Secret(text), "ana", NOW) is None


@given(st.integers(0, TEXT_LENGTH - 1), st.sampled_from("ABCDEFGHabcdefgh0123-_"))
def test_a_changed_proof_is_not_accepted_as_anything_else(place: int, letter: str) -> None:
    genuine = PROOFS.make("ana", "hash", DEVICE, NOW).reveal()
    changed = f"{genuine[:place]}{letter}{genuine[place + 1 :]}"
    read = PROOFS.read(Secret(changed), "ana", NOW)
    assert read is None or read.device_id == DEVICE
