"""Certificates: whether Go reads them (``x509.ParseCertificate``).

Go takes what ``cryptography`` refuses, such as defaults that are written out, and certificates of companies have that.
So their structure is checked here, and only public keys are left to ``cryptography``. The contents of extensions are
not looked at.
"""

from __future__ import annotations

import re
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from bootgrant.machines.talos.validation.documents import der
from bootgrant.machines.talos.validation.documents.algorithms import EC, is_curve, is_known
from bootgrant.machines.talos.validation.documents.der import Element

_VERSION: Final = 0xA0
_EXTENSIONS: Final = 0xA3
_VERSIONS: Final = [[(der.INTEGER, bytes([number]))] for number in range(3)]
_UNIQUE_IDS: Final = (0x81, 0x82)
_FIELDS: Final = [der.INTEGER, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE, der.SEQUENCE]
"""Serial number, algorithm of the signature, issuer, validity, subject, public key."""
_DAY: Final = rb"(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])([01]\d|2[0-3])[0-5]\d"
_SHORT_YEARS: Final = re.compile(rb"\d{2}" + _DAY + rb"([0-5]\d)?(Z|[+-]\d{4})")
_LONG_YEARS: Final = re.compile(rb"\d{4}" + _DAY + rb"[0-5]\d(Z|[+-]\d{4})")
_FORMS: Final = ([der.OBJECT, der.OCTETS], [der.OBJECT, der.BOOLEAN, der.OCTETS])
"""An extension without and with whether it is critical."""
_BOOLEANS: Final = (b"\x00", b"\xff")
_TIMES: Final = {der.UTC_TIME: _SHORT_YEARS, der.TIME: _LONG_YEARS}
_STRINGS: Final = frozenset((0x0C, 0x12, 0x13, 0x14, 0x16, 0x1E))
"""UTF8String, NumericString, PrintableString, T61String, IA5String, BMPString."""


def is_certificate(content: bytes) -> bool:
    """Whether Go reads a certificate; its public key may be of a kind that Go does not know."""
    try:
        [outer] = der.elements(content)
        signed, algorithm, signature = outer.inside()
        return (
            outer.tag == signed.tag == algorithm.tag == der.SEQUENCE
            and signature.tag == der.BITS
            and _is_signed(signed.inside(), algorithm)
        )
    except ValueError:
        return False


def _is_signed(fields: list[Element], algorithm: Element) -> bool:
    """Whether the fields of what is signed are well-formed. Raises ValueError if they are not DER."""
    version = fields[0] if fields and fields[0].tag == _VERSION else None
    rest = fields[1:] if version else fields
    if der.tags(rest[: len(_FIELDS)]) != _FIELDS:
        return False
    serial, inner_algorithm, issuer, validity, subject, key = rest[: len(_FIELDS)]
    return (
        _is_version(version)
        and der.integer(serial) >= 0
        and inner_algorithm == algorithm
        and _is_algorithm(algorithm)
        and all(map(_is_name, (issuer, subject)))
        and _is_validity(validity.inside())
        and _is_key(key)
        and _are_extras(rest[len(_FIELDS) :])
    )


def _is_version(version: Element | None) -> bool:
    return version is None or [(item.tag, item.content) for item in version.inside()] in _VERSIONS


def _is_algorithm(algorithm: Element) -> bool:
    parts = algorithm.inside()
    return der.tags(parts[:1]) == [der.OBJECT] and len(parts) <= 2


def _is_name(name: Element) -> bool:
    """A sequence of sets of pairs of an identifier and a text."""
    for part in name.inside():
        if part.tag != der.SET:
            return False
        for pair in part.inside():
            identifier, text = pair.inside()
            if (pair.tag, identifier.tag) != (der.SEQUENCE, der.OBJECT) or text.tag not in _STRINGS:
                return False
    return True


def _is_validity(times: list[Element]) -> bool:
    return len(times) >= 2 and all(
        time.tag in _TIMES and _TIMES[time.tag].fullmatch(time.content) is not None for time in times[:2]
    )


def _is_key(key: Element) -> bool:
    algorithm, bits = key.inside()[:2]
    if (algorithm.tag, bits.tag) != (der.SEQUENCE, der.BITS):
        return False
    parts = algorithm.inside()
    if not is_known(parts):
        return _is_algorithm(algorithm)
    try:
        load_der_public_key(key.encoded)
    except UnsupportedAlgorithm:
        return False
    return parts[0].content != EC or is_curve(parts[1:])


def _are_extras(extras: list[Element]) -> bool:
    """Unique identifiers, and extensions: an identifier, whether it is critical, and bytes; each of them once."""
    seen: set[bytes] = set()
    for extra in extras:
        if extra.tag != _EXTENSIONS:
            if extra.tag not in _UNIQUE_IDS:
                return False
            continue
        [extensions] = extra.inside()
        for extension in extensions.inside():
            parts = extension.inside()
            identifier = parts[0].content if parts else b""
            is_extension = (extensions.tag, extension.tag) == (der.SEQUENCE, der.SEQUENCE) and der.tags(parts) in _FORMS
            if not is_extension or identifier in seen or any(part.content not in _BOOLEANS for part in parts[1:-1]):
                return False
            seen.add(identifier)
    return True
