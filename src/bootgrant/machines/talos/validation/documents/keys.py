"""Private keys: whether Talos loads them (``crypto/x509``, siderolabs/crypto).

``cryptography`` reads them, and knows more than Go does: other curves, curves by their parameters, other kinds of keys.
So the identifiers of the algorithm are read here, and private keys of elliptic curves altogether, whose public half Go
does not look at.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_private_key

from bootgrant.machines.talos.validation.documents import der
from bootgrant.machines.talos.validation.documents.algorithms import (
    CURVES,
    EC,
    ED25519,
    RSA,
    X25519,
    is_curve,
    is_known,
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
        # Go ignores what follows the key, except in the form PKCS #1, which cryptography reads whole.
        key = der.first_element(content)
        fields = key.inside()
        match form, der.tags(fields[:2]):
            case "PKCS #1", [der.INTEGER, der.INTEGER]:
                return RSA if _is_loaded(content) else b""
            case "SEC 1", [der.INTEGER, der.OCTETS]:
                return EC if _is_scalar(fields, []) else b""
            case "PKCS #8", [der.INTEGER, der.SEQUENCE]:
                return _pkcs8_algorithm(key, fields)
    except ValueError:
        pass
    return b""


def _pkcs8_algorithm(key: Element, fields: list[Element]) -> bytes:
    algorithm = fields[1].inside()
    if not is_known(algorithm):
        return b""
    if algorithm[0].content == EC:
        inner = der.first_element(fields[2].content if fields[2:] else b"").inside()
        return EC if _is_scalar(inner, algorithm[1:]) else b""
    return algorithm[0].content if _is_loaded(key.encoded) else b""


def _is_loaded(content: bytes) -> bool:
    try:
        load_der_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


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
