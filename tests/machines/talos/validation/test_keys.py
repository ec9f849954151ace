"""Certificates and keys in documents are loaded as Go loads them."""

from __future__ import annotations

import base64
import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.machines.talos.validation.documents.certificates import is_certificate
from bootgrant.machines.talos.validation.documents.keys import is_pkcs8_key, key_fault
from bootgrant.machines.talos.validation.documents.pem import pem_blocks

RSA = rsa.generate_private_key(65537, 2048)
P256 = ec.generate_private_key(ec.SECP256R1())
ED25519 = ed25519.Ed25519PrivateKey.generate()
X25519 = x25519.X25519PrivateKey.generate()
PKCS8 = PrivateFormat.PKCS8
TRADITIONAL = PrivateFormat.TraditionalOpenSSL


def pem(key: PrivateKeyTypes, form: PrivateFormat = PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def relabel(text: str, old: str, new: str) -> str:
    return text.replace(f"{old}-----", f"{new}-----")


def certificate(key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name.from_rfc4514_string("CN=a")
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(days=1))
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    "text",
    [
        pem(RSA),
        pem(RSA, TRADITIONAL),
        pem(P256),
        pem(P256, TRADITIONAL),
        pem(ED25519),
        relabel(pem(ED25519), "PRIVATE KEY", "ED25519 PRIVATE KEY"),
        "a key:\n" + pem(P256) + "and more\n",
        pem(P256).replace("\n", " \r\n"),
    ],
)
def test_a_key_is_loaded_by_its_label(text: str) -> None:
    assert key_fault(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        pem(RSA).replace("-----END", "----END"),
        relabel(pem(RSA), "PRIVATE KEY", "RSA PRIVATE KEY"),
        relabel(pem(P256), "PRIVATE KEY", "ED25519 PRIVATE KEY"),
        relabel(pem(P256, TRADITIONAL), "EC PRIVATE KEY", "PRIVATE KEY"),
        relabel(pem(RSA), "PRIVATE KEY", "PUBLIC KEY"),
        pem(X25519),
        pem(ec.generate_private_key(ec.SECP256K1())),
        pem(dsa.generate_private_key(1024)),
        "-----BEGIN PRIVATE KEY-----\nZ2FyYmFnZQ==\n-----END PRIVATE KEY-----\n",
    ],
)
def test_a_key_that_go_does_not_load_has_a_fault(text: str) -> None:
    assert key_fault(text)


def test_a_pair_may_have_a_key_for_x25519() -> None:
    assert key_fault(pem(X25519), is_x25519_fine=True) == ""


def test_before_1_14_the_label_of_a_key_does_not_matter() -> None:
    assert is_pkcs8_key(relabel(pem(P256), "PRIVATE KEY", "X"))
    assert not is_pkcs8_key(pem(P256, TRADITIONAL))


def test_a_certificate_needs_a_key_that_go_reads() -> None:
    assert is_certificate(certificate(P256))
    assert not is_certificate(certificate(ec.generate_private_key(ec.SECP256K1())))
    assert not is_certificate(certificate(P256)[:-1])


def test_a_certificate_names_the_algorithm_of_its_signature_twice() -> None:
    content = certificate(P256)
    ecdsa_with_sha256, ecdsa_with_sha384 = (bytes.fromhex(f"06082a8648ce3d0403{last}") for last in ("02", "03"))
    assert content.count(ecdsa_with_sha256) == 2
    assert is_certificate(content.replace(ecdsa_with_sha256, ecdsa_with_sha384))
    assert not is_certificate(content.replace(ecdsa_with_sha256, ecdsa_with_sha384, 1))


@pytest.mark.parametrize("content", ["30", "3001", "308000", "30810100", "3003020100ff"])
def test_what_is_not_der_is_no_certificate(content: str) -> None:
    assert not is_certificate(bytes.fromhex(content))


@pytest.mark.parametrize("line", ["-----BEGIN X-----", "junk", "-----END X-----", ""])
def test_text_around_a_block_is_skipped(line: str) -> None:
    [block] = pem_blocks(f"{line}\n-----BEGIN A-----\nQQ==\n-----END A-----\n")
    assert (block.label, block.content, block.has_headers) == ("A", b"A", False)


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN A-----\nQQ=\n-----END A-----\n",
        "-----BEGIN A-----\nQQ==\n-----END B-----\n",
        "-----BEGIN A-----\nQQ==\n-----END A----- x\n",
        "x-----BEGIN A-----\nQQ==\n-----END A-----\n",
        "-----BEGIN A-----QQ==-----END A-----",
    ],
)
def test_what_is_no_block_is_skipped(text: str) -> None:
    assert list(pem_blocks(text)) == []


def test_a_block_may_have_headers() -> None:
    content = base64.b64encode(b"A").decode()
    [block] = pem_blocks(f"-----BEGIN A-----\nProc-Type: 4\n\n{content}\n-----END A-----")
    assert (block.content, block.has_headers) == (b"A", True)


DER = [certificate(P256), base64.b64decode("".join(pem(RSA).splitlines()[1:-1]))]


@given(st.binary(max_size=200))
def test_any_bytes_are_a_certificate_or_not(content: bytes) -> None:
    assert not is_certificate(content)


@given(st.sampled_from(DER), st.data())
def test_a_byte_that_is_changed_is_no_fault_of_the_program(content: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(content) - 1))
    changed = content[:at] + data.draw(st.binary(max_size=2)) + content[at + 1 :]
    block = f"-----BEGIN PRIVATE KEY-----\n{base64.b64encode(changed).decode()}\n-----END PRIVATE KEY-----"
    assert isinstance(is_certificate(changed), bool)
    assert isinstance(key_fault(block), str)


@given(st.lists(st.sampled_from(["-----BEGIN A-----", "-----END A-----", "QQ==", "a: b", "", "x", "-----"])))
def test_blocks_are_found_in_any_lines(lines: list[str]) -> None:
    for block in pem_blocks("\n".join(lines)):
        assert block.label == "A"
        assert block.content in (b"", b"A")
