"""User codes, device codes and access tokens, and the digests that a store keeps of them.

A user code is derived from the site's key and the grant's id, so pages can show it without the store holding it. The
store has a digest under the same key (BLAKE2b, RFC 7693), because 34 bits without a key could be found by trying. A
device code is 256 random bits that only the machine knows, so its SHA-256 is enough. The access token is derived from
the device code and the grant's salt: presenting the device code again yields the same token (a lost answer costs
nothing), and neither the code nor the store is enough to compute it.
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
    """Return a device code made of 32 random bytes."""
    return Secret(urlsafe_b64encode(entropy).rstrip(b"=").decode())


def device_code_digest(code: Secret) -> bytes:
    """Return the digest that the store keeps of a device code."""
    return hashlib.sha256(b"bootgrant device code\0" + code.reveal().encode()).digest()


def access_token(code: Secret, salt: bytes) -> Secret:
    """Return the only access token (256 bits) that this device code can be exchanged for."""
    made = hmac.digest(code.reveal().encode(), b"bootgrant access token\0" + salt, "sha256")
    return Secret(urlsafe_b64encode(made).rstrip(b"=").decode())


def access_token_digest(token: Secret) -> bytes:
    """Return the digest that the store keeps of an access token."""
    return hashlib.sha256(b"bootgrant access token\0" + token.reveal().encode()).digest()


def session_digest(session: Secret) -> bytes:
    """Return the digest that the store keeps of a person's session."""
    return hashlib.sha256(b"bootgrant session\0" + session.reveal().encode()).digest()


def api_token_digest(token: Secret) -> bytes:
    """Return the digest that the store keeps of an API token."""
    return hashlib.sha256(b"bootgrant API token\0" + token.reveal().encode()).digest()


def challenge_digest(challenge: bytes) -> bytes:
    """Return the digest that the store keeps of an open challenge."""
    return hashlib.sha256(b"bootgrant challenge\0" + challenge).digest()


def sign_out_digest(what: str, issuer: str, name: str) -> bytes:
    """Return the digest that the store keeps of a sign-out; ``name`` is the issuer's, of what ``what`` says."""
    return hashlib.sha256(f"bootgrant sign-out\0{what}\0{issuer}\0{name}".encode()).digest()


def normalise_user_code(text: str) -> str | None:
    """Return a typed code without separators and in upper case; None when it cannot be a code."""
    letters = _SEPARATORS.sub("", text[:64]).upper()
    if len(letters) == USER_CODE_LETTERS and all(letter in ALPHABET for letter in letters):
        return letters
    return None


def display_user_code(letters: str) -> str:
    """Return ``XXXX-XXXX``, as the machine shows it."""
    return f"{letters[:4]}-{letters[4:]}"


def masked_user_code(shown: str) -> str:
    """Return ``XXXX-****`` for ``XXXX-XXXX``, without the half that only the machine's screen may show."""
    return f"{shown[:-4]}****"


@dataclass(frozen=True, slots=True, repr=False)
class UserCodes:
    """The user codes of one site; ``key`` is 32 bytes, from ``data/code.key``."""

    key: bytes

    def of_grant(self, grant_id: str) -> str:
        """Return the eight letters of a grant: 34.6 bits, without a measurable bias."""
        made = hashlib.blake2b(grant_id.encode(), key=self.key, digest_size=32, person=b"user code of").digest()
        number, first = divmod(int.from_bytes(made), len(_PAIRS))
        number, second = divmod(number, len(_PAIRS))
        number, third = divmod(number, len(_PAIRS))
        return f"{_PAIRS[first]}{_PAIRS[second]}{_PAIRS[third]}{_PAIRS[number % len(_PAIRS)]}"

    def digest(self, letters: str) -> bytes:
        """Return the digest that the store keeps of a normalised user code."""
        return hashlib.blake2b(letters.encode(), key=self.key, digest_size=32, person=b"user code").digest()
