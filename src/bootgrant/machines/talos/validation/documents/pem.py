"""PEM as Go reads it (``encoding/pem``), and whether Go takes the certificates and keys in it (``crypto/x509``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.x509 import load_der_x509_certificate

from bootgrant.machines.talos.go_values import base64_bytes

_Key: TypeAlias = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | X25519PrivateKey

_BEGIN: Final = "-----BEGIN "
_END: Final = "\n-----END "
_DASHES: Final = "-----"
CERTIFICATE: Final = "CERTIFICATE"
_CURVES: Final = frozenset(("secp224r1", "secp256r1", "secp384r1", "secp521r1"))
_DER_FORMS: Final = {0x30: "PKCS #8", 0x02: "PKCS #1", 0x04: "SEC 1"}
"""The form of a private key by the tag of the element after its version."""
_FORMS: Final = {
    "PRIVATE KEY": "PKCS #8",
    "ED25519 PRIVATE KEY": "PKCS #8",
    "RSA PRIVATE KEY": "PKCS #1",
    "EC PRIVATE KEY": "SEC 1",
}
"""The form of a private key by the label of its block."""


@dataclass(frozen=True, slots=True)
class Block:
    """A PEM block."""

    label: str
    has_headers: bool
    content: bytes = field(repr=False)


def pem_blocks(text: str) -> Iterator[Block]:
    """Yield the blocks that Go finds; text around them, and blocks that are not valid, are skipped."""
    start = 0
    while (end := text.find(_END, start)) >= 0:
        begin = text.rfind(_BEGIN, start, end)
        after = end + len(_END)
        if begin < 0 or (begin > start and text[begin - 1] != "\n"):
            start = after
            continue
        label, at = _line(text, begin + len(_BEGIN))
        block = _block(text, label, at, end)
        if block is None:
            start = after
            continue
        yield block
        _, start = _line(text, end + 1)


def _line(text: str, start: int) -> tuple[str, int]:
    """Return a line without the white space at its end, and where the next one starts."""
    end = text.find("\n", start)
    line = text[start:] if end < 0 else text[start:end].removesuffix("\r")
    return line.rstrip(" \t"), len(text) if end < 0 else end + 1


def _block(text: str, label: str, start: int, end: int) -> Block | None:
    """Return the block between the line after its label and its end, None if it is not valid."""
    if not label.endswith(_DASHES):
        return None
    has_headers = False
    line, following = _line(text, start)
    while ":" in line and start < len(text):
        has_headers = True
        start = following
        line, following = _line(text, start)
    last_line, _ = _line(text, end + len(_END))
    if last_line != label or (has_headers and start > end):
        return None
    try:
        content = base64_bytes(re.sub(r"[ \t]", "", text[start:end]))
    except ValueError:
        return None
    return Block(label.removesuffix(_DASHES), has_headers, content)


def is_certificate(content: bytes) -> bool:
    """``x509.ParseCertificate``."""
    try:
        load_der_x509_certificate(content)
    except ValueError:
        return False
    return True


def key_fault(text: str, *, is_x25519_fine: bool = False) -> str:
    """Return why Talos cannot load the first key of a text by its label, empty if it can (``PEMEncodedKey.GetKey``)."""
    block = next(pem_blocks(text), None)
    if block is None:
        return "is not a key in PEM"
    if block.label not in _FORMS:
        return f"must be a block {', '.join(_FORMS)}"
    key = _load(block.content, _FORMS[block.label])
    if key is None:
        return f"is not a {_FORMS[block.label]} key that Talos can load: make the key again"
    if isinstance(key, X25519PrivateKey):
        return "" if is_x25519_fine else "must be a key for RSA, a NIST curve, or Ed25519"
    if block.label == "ED25519 PRIVATE KEY" and not isinstance(key, Ed25519PrivateKey):
        return "is not an Ed25519 key, as its label says"
    return ""


def is_pkcs8_key(text: str) -> bool:
    """Whether the first block of a text is a PKCS #8 key, whatever its label (``x509.ParsePKCS8PrivateKey``)."""
    block = next(pem_blocks(text), None)
    return block is not None and _load(block.content, "PKCS #8") is not None


def _load(content: bytes, form: str) -> _Key | None:
    """Return a key that Go loads, None if it does not."""
    if _der_form(content) != form:
        return None
    try:
        key = load_der_private_key(content, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
    if isinstance(key, EllipticCurvePrivateKey):
        return key if key.curve.name in _CURVES else None
    return key if isinstance(key, (RSAPrivateKey, Ed25519PrivateKey, X25519PrivateKey)) else None


def _der_form(content: bytes) -> str:
    """Return which structure a private key is; all three begin with a version of one byte."""
    header = 2 if len(content) < 2 or content[1] < 0x80 else 2 + (content[1] & 0x7F)
    version, tag = content[header : header + 2], content[header + 3 : header + 4]
    return _DER_FORMS.get(tag[0], "") if version == b"\x02\x01" and tag else ""
