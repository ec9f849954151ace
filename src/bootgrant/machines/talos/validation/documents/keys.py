"""Certificates and private keys: whether Go loads them (``crypto/x509``, siderolabs/crypto).

``cryptography`` reads them, and knows more than Go does: other curves, curves by their parameters, other kinds of keys.
So the identifiers of the algorithm are read here, and private keys of elliptic curves altogether, whose public half Go
does not look at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP224R1, SECP256R1, SECP384R1, SECP521R1
from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.x509 import load_der_x509_certificate

from bootgrant.machines.talos.validation.documents.pem import pem_blocks

_FORMS: Final = {
    "PRIVATE KEY": "PKCS #8",
    "ED25519 PRIVATE KEY": "PKCS #8",
    "RSA PRIVATE KEY": "PKCS #1",
    "EC PRIVATE KEY": "SEC 1",
}
"""The form of a private key by the label of its block."""
_INTEGER: Final = 0x02
_OCTETS: Final = 0x04
_OBJECT: Final = 0x06
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_PARAMETERS: Final = 0xA0
_RSA: Final = bytes.fromhex("2a864886f70d010101")
_EC: Final = bytes.fromhex("2a8648ce3d0201")
_ED25519: Final = bytes.fromhex("2b6570")
_X25519: Final = bytes.fromhex("2b656e")
_CURVES: Final = {
    bytes.fromhex("2b81040021"): SECP224R1.group_order,
    bytes.fromhex("2a8648ce3d030107"): SECP256R1.group_order,
    bytes.fromhex("2b81040022"): SECP384R1.group_order,
    bytes.fromhex("2b81040023"): SECP521R1.group_order,
}
"""The orders of the curves that Go knows, by the identifiers of the curves."""


@dataclass(frozen=True, slots=True)
class _Element:
    """An element of DER; ``end`` is where the next one starts."""

    tag: int
    content: bytes
    end: int = field(compare=False, default=0)


def _elements(content: bytes) -> Iterator[_Element]:
    """Yield the elements in a structure; stop at what is not DER."""
    at = 0
    while at + 2 <= len(content):
        tag, size = content[at], content[at + 1]
        at += 2
        if size & 0x80:
            digits = size & 0x7F
            size = int.from_bytes(content[at : at + digits])
            at += digits
        if at + size > len(content):
            return
        at += size
        yield _Element(tag, content[at - size : at], at)


def _length(content: bytes) -> int:
    """Return the length of the first element, with its header."""
    return next((element.end for element in _elements(content)), 0)


def _inside(content: bytes) -> list[_Element]:
    """Return the elements of the structure that a text of DER is; nothing if it is none."""
    outer = next(_elements(content), None)
    return list(_elements(outer.content)) if outer is not None and outer.tag == _SEQUENCE else []


def is_certificate(content: bytes) -> bool:
    """``x509.ParseCertificate``: also its public key must be one that Go reads, or of a kind that Go does not know."""
    try:
        certificate = load_der_x509_certificate(content)
        algorithm = _algorithm_of_certificate(content)
        if _is_read(algorithm):
            certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    return not _is(algorithm, _EC) or _is_curve(algorithm[1:])


def _algorithm_of_certificate(content: bytes) -> list[_Element]:
    """Return the identifier and the parameters of the algorithm of a certificate's public key."""
    fields = [element for element in _elements(_inside(content)[0].content) if element.tag != _VERSION]
    return list(_elements(next(_elements(fields[5].content)).content))


def _is(algorithm: list[_Element], identifier: bytes) -> bool:
    return algorithm[:1] == [_Element(_OBJECT, identifier)]


def _is_read(algorithm: list[_Element]) -> bool:
    return any(_is(algorithm, known) for known in (_RSA, _EC, _ED25519, _X25519))


def _is_curve(parameters: list[_Element]) -> bool:
    return any(element.tag == _OBJECT and element.content in _CURVES for element in parameters[:1])


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
    if algorithm == _X25519:
        return "" if is_x25519_fine and block.label == "PRIVATE KEY" else "must not be a key for X25519"
    if block.label == "ED25519 PRIVATE KEY" and algorithm != _ED25519:
        return "is not an Ed25519 key, as its label says"
    return ""


def is_pkcs8_key(text: str) -> bool:
    """Whether the first block of a text is a PKCS #8 key, whatever its label (``x509.ParsePKCS8PrivateKey``)."""
    block = next(pem_blocks(text), None)
    return block is not None and bool(_loaded_algorithm(block.content, "PKCS #8"))


def _loaded_algorithm(content: bytes, form: str) -> bytes:
    """Return the algorithm of a private key in a form; empty if Go does not load it."""
    fields = _inside(content)
    match form, [element.tag for element in fields[:2]]:
        case "PKCS #1", [0x02, 0x02]:
            return _RSA if _is_loaded(content) else b""
        case "SEC 1", [0x02, 0x04]:
            return _EC if _is_scalar(fields, []) else b""
        case "PKCS #8", [0x02, 0x30]:
            algorithm = list(_elements(fields[1].content))
            if _is(algorithm, _EC):
                key = _inside(fields[2].content) if fields[2:] else []
                return _EC if _is_scalar(key, algorithm[1:]) else b""
            # Go ignores what follows the key.
            is_loaded = _is_read(algorithm) and _is_loaded(content[: _length(content)])
            return algorithm[0].content if is_loaded else b""
    return b""


def _is_loaded(content: bytes) -> bool:
    try:
        load_der_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _is_scalar(fields: list[_Element], parameters: list[_Element]) -> bool:
    """Whether the fields of a SEC 1 key have a number of its curve, which ``parameters`` name, or else a field.

    Go computes the public key from the number, and does not look at the one in the key.
    """
    if [element.tag for element in parameters[:1]] != [_OBJECT]:
        named = [element for element in fields if element.tag == _PARAMETERS]
        parameters = list(_elements(named[0].content)) if named else []
    is_version_1 = fields[:1] == [_Element(_INTEGER, b"\x01")]
    if not is_version_1 or [element.tag for element in fields[1:2]] != [_OCTETS] or not _is_curve(parameters):
        return False
    return 0 < int.from_bytes(fields[1].content) < _CURVES[parameters[0].content]
