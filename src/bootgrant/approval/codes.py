"""User codes, device codes and access tokens, and what a store may know of them.

A user code is made from the site's key and the grant's id, so the page can show it and the store need not hold it:
the store has a digest under the same key (BLAKE2b, RFC 7693), because 34 bits alone are found again by trying. A device
code is 256 random bits and known to the machine alone; its SHA-256 is enough. The access token is made from the device
code and the grant's salt: whoever presents the device code gets the same token again (a lost answer costs nothing), and
neither the device code nor the store alone gives it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from bootgrant.wire.secret import Secret

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
"""RFC 8628 section 6.1: no vowels, so no words, and nothing that looks like a digit."""

USER_CODE_LETTERS = 8
_PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)
_SEPARATORS = re.compile(r"[\W_]+")


def device_code(entropy: bytes) -> Secret:
    """A device code from 32 random bytes."""
    return Secret(urlsafe_b64encode(entropy).rstrip(b"=").decode())


def device_code_digest(code: Secret) -> bytes:
    """What the store knows of a device code."""
    return hashlib.sha256(b"bootgrant device code\0" + code.reveal().encode()).digest()


def access_token(code: Secret, salt: bytes) -> Secret:
    """The one access token (256 bits) that this device code can be exchanged for."""
    made = hmac.digest(code.reveal().encode(), b"bootgrant access token\0" + salt, "sha256")
    return Secret(urlsafe_b64encode(made).rstrip(b"=").decode())


def access_token_digest(token: Secret) -> bytes:
    """What the store knows of an access token."""
    return hashlib.sha256(b"bootgrant access token\0" + token.reveal().encode()).digest()


def session_digest(session: Secret) -> bytes:
    """What the store knows of a person's session."""
    return hashlib.sha256(b"bootgrant session\0" + session.reveal().encode()).digest()


def api_token_digest(token: Secret) -> bytes:
    """What the store knows of the token of a program."""
    return hashlib.sha256(b"bootgrant API token\0" + token.reveal().encode()).digest()


def challenge_digest(challenge: bytes) -> bytes:
    """What the store knows of a challenge that waits for its answer."""
    return hashlib.sha256(b"bootgrant challenge\0" + challenge).digest()


def normalise_user_code(text: str) -> str | None:
    """A typed code without separators and in upper case; None for what cannot be one."""
    letters = _SEPARATORS.sub("", text[:64]).upper()
    if len(letters) == USER_CODE_LETTERS and all(letter in ALPHABET for letter in letters):
        return letters
    return None


def display_user_code(letters: str) -> str:
    """``XXXX-XXXX``, as the machine shows it."""
    return f"{letters[:4]}-{letters[4:]}"


@dataclass(frozen=True, slots=True, repr=False)
class UserCodes:
    """The user codes of one site, made and recognised with its key (32 bytes, ``data/code.key``)."""

    key: bytes

    def of_grant(self, grant_id: str) -> str:
        """The eight letters of a grant: 34.6 bits, without a bias that could be measured."""
        made = hashlib.blake2b(grant_id.encode(), key=self.key, digest_size=32, person=b"user code of").digest()
        number, first = divmod(int.from_bytes(made), len(_PAIRS))
        number, second = divmod(number, len(_PAIRS))
        number, third = divmod(number, len(_PAIRS))
        return f"{_PAIRS[first]}{_PAIRS[second]}{_PAIRS[third]}{_PAIRS[number % len(_PAIRS)]}"

    def digest(self, letters: str) -> bytes:
        """What the store knows of a normalised user code."""
        return hashlib.blake2b(letters.encode(), key=self.key, digest_size=32, person=b"user code").digest()
