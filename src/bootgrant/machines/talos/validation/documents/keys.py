"""Private keys: whether Talos loads them (``crypto/x509``, siderolabs/crypto).

``cryptography`` takes keys that Go refuses (other curves, curves by their parameters, other kinds of keys), refuses
some that Go takes, and tests for primes, which costs more than all other checks. So they are read here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bootgrant.machines.talos.validation.documents import der
from bootgrant.machines.talos.validation.documents.algorithms import (
    CURVES,
    EC,
    ED25519,
    RSA,
    X25519,
    is_curve,
)
from bootgrant.machines.talos.validation.documents.der import Element
from bootgrant.machines.talos.validation.documents.pem import pem_blocks

_FORMS: Final = {
    "PRIVATE KEY": "PKCS #8",
    "ED25519 PRIVATE KEY": "PKCS #8",
    "RSA PRIVATE KEY": "PKCS #1",
    "EC PRIVATE KEY": "SEC 1",
}
"""The form of a private key by the label of its block."""
_PARAMETERS: Final = 0xA0
_SEED: Final = 32
"""Bytes of a private key for Ed25519 or X25519."""
_RSA_FIELDS: Final = 6


def key_fault(text: str, *, is_x25519_fine: bool = False) -> str:
    """Return why Talos cannot load the first key of a text by its label, empty if it can (``PEMEncodedKey.GetKey``)."""
    block = next(pem_blocks(text), None)
    if block is None:
        return "is not a key in PEM"
    if block.label not in _FORMS:
        return f"must be a block {', '.join(_FORMS)}"
    algorithm = _loaded_algorithm(block.content, _FORMS[block.label])
    if not algorithm:
        return f"is not a {_FORMS[block.label]} key for RSA, a NIST curve, or Ed25519 that Talos can load"
    if algorithm == X25519:
        return "" if is_x25519_fine and block.label == "PRIVATE KEY" else "must not be a key for X25519"
    if block.label == "ED25519 PRIVATE KEY" and algorithm != ED25519:
        return "is not an Ed25519 key, as its label says"
    return ""


def is_pkcs8_key(text: str) -> bool:
    """Whether the first block of a text is a PKCS #8 key, whatever its label (``x509.ParsePKCS8PrivateKey``)."""
    block = next(pem_blocks(text), None)
    return block is not None and bool(_loaded_algorithm(block.content, "PKCS #8"))


def _loaded_algorithm(content: bytes, form: str) -> bytes:
    """Return the algorithm of a private key in a form; empty if Go does not load it."""
    try:
        key = der.first_element(content)
        fields = key.inside()
        if form == "PKCS #8":
            return _pkcs8_algorithm(fields)
        if form == "SEC 1":
            return EC if _is_scalar(fields, []) else b""
        # Only in this form is it an error if something follows the key.
        return RSA if key.encoded == content and is_rsa(fields) else b""
    except ValueError:
        return b""


def _pkcs8_algorithm(fields: list[Element]) -> bytes:
    """Return the algorithm of a PKCS #8 key that Go loads. Raises ValueError for what is not DER."""
    if der.tags(fields[:3]) != [der.INTEGER, der.SEQUENCE, der.OCTETS]:
        return b""
    identifier, *parameters = fields[1].inside()
    key = der.first_element(fields[2].content)
    if identifier.content == RSA:
        is_loaded = key.encoded == fields[2].content and is_rsa(key.inside())
    elif identifier.content == EC:
        is_loaded = _is_scalar(key.inside(), parameters)
    else:
        is_seed = key.tag == der.OCTETS and len(key.content) == _SEED
        is_loaded = identifier.content in (ED25519, X25519) and not parameters and is_seed
    return identifier.content if is_loaded else b""


def is_rsa(fields: list[Element]) -> bool:
    """Whether the fields of a PKCS #1 key are those of a key that fits together (``rsa.PrivateKey.Validate``).

    A version, n, e, d, p, q, and then numbers that follow from these, which may be left out. Raises ValueError for what
    is not DER.
    """
    version, *numbers = map(der.integer, fields[: _RSA_FIELDS + 3])
    n, e, d, p, q, *derived = numbers
    if version > 1 or min(numbers) <= 0 or min(p, q) < 3 or e % 2 == 0 or not 2 < e < 2**31:
        return False
    half = n.bit_length() // 2
    is_strong = abs(p - q).bit_length() > half - 100 and d.bit_length() > half
    fits = n == p * q and n % 2 == 1 and d < n and all(e * d % (prime - 1) == 1 for prime in (p, q))
    return is_strong and fits and all(map(int.__eq__, derived, _derived(d, p, q)))


def _derived(d: int, p: int, q: int) -> Iterator[int]:
    yield d % (p - 1)
    yield d % (q - 1)
    yield pow(q, -1, p)


def _is_scalar(fields: list[Element], parameters: list[Element]) -> bool:
    """Whether the fields of a SEC 1 key have a number of its curve, which ``parameters`` name, or else a field.

    Go computes the public key from the number, and does not look at the one in the key.
    """
    if der.tags(parameters[:1]) != [der.OBJECT]:
        named = [element for element in fields if element.tag == _PARAMETERS]
        parameters = named[0].inside() if named else []
    if der.tags(fields[:2]) != [der.INTEGER, der.OCTETS] or fields[0].content != b"\x01" or not is_curve(parameters):
        return False
    return 0 < int.from_bytes(fields[1].content) < CURVES[parameters[0].content]
