"""The algorithms of public and private keys that Go knows, by their identifiers in DER."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import SECP224R1, SECP256R1, SECP384R1, SECP521R1

from bootgrant.machines.talos.validation.documents import der
from bootgrant.machines.talos.validation.documents.der import Element

RSA: Final = bytes.fromhex("2a864886f70d010101")
EC: Final = bytes.fromhex("2a8648ce3d0201")
ED25519: Final = bytes.fromhex("2b6570")
X25519: Final = bytes.fromhex("2b656e")
_KNOWN: Final = frozenset((RSA, EC, ED25519, X25519))
CURVES: Final = {
    bytes.fromhex("2b81040021"): SECP224R1.group_order,
    bytes.fromhex("2a8648ce3d030107"): SECP256R1.group_order,
    bytes.fromhex("2b81040022"): SECP384R1.group_order,
    bytes.fromhex("2b81040023"): SECP521R1.group_order,
}
"""The orders of the curves that Go knows, by the identifiers of the curves."""


def is_known(algorithm: list[Element]) -> bool:
    """Whether Go reads keys of an algorithm, which is an identifier and its parameters."""
    return any(part.tag == der.OBJECT and part.content in _KNOWN for part in algorithm[:1])


def is_curve(parameters: list[Element]) -> bool:
    """Whether the parameters of an algorithm are the identifier of a curve that Go knows."""
    return any(part.tag == der.OBJECT and part.content in CURVES for part in parameters[:1])
