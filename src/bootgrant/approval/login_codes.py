"""The codes of ``bootgrant login`` (RFC 8628): what a person types, what the command line keeps, and their digests.

A login code is nine digits, a machine's code eight letters (codes.py). So neither can be mistaken for the other: a page
recognises a code that was typed in the wrong place by its form.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

from bootgrant.wire.secret import Secret

DIGITS: Final = 9
_SEPARATORS: Final = re.compile(r"[\W_]+")


def login_code(entropy: bytes) -> str:
    """Return nine digits made of 8 random bytes, as in the example of RFC 8628 section 6.1."""
    return f"{int.from_bytes(entropy) % 10**DIGITS:0{DIGITS}}"


def normalise_login_code(text: str) -> str | None:
    """Return a typed login code without separators; None when it cannot be one."""
    digits = _SEPARATORS.sub("", text[:64])
    return digits if len(digits) == DIGITS and digits.isascii() and digits.isdigit() else None


def display_login_code(digits: str) -> str:
    """Return ``123-456-789``, as the command line shows it."""
    return f"{digits[:3]}-{digits[3:6]}-{digits[6:]}"


def login_secret_digest(device_code: Secret) -> bytes:
    """Return the digest that the store keeps of the device code of a login."""
    return hashlib.sha256(b"bootgrant login\0" + device_code.reveal().encode()).digest()


@dataclass(frozen=True, slots=True, repr=False)
class LoginCodes:
    """The digests of one site's login codes: 30 bits without a key could be found by trying."""

    key: bytes

    def digest(self, digits: str) -> bytes:
        """Return the digest that the store keeps of a normalised login code."""
        return hashlib.blake2b(digits.encode(), key=self.key, digest_size=32, person=b"login code").digest()
