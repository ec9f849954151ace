"""Encryption of a push message for one browser (RFC 8291), as one record of the content coding aes128gcm (RFC 8188).

The push service sees a salt, the public half of a key that is used once, and ciphertext, which has the same length for
every message.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bootgrant.ports.push import Subscription

PADDED: Final = 2048
"""Bytes that are encrypted in each message. RFC 8030 section 7.2 lets a push service refuse more than 4096 in all."""

_RECORD_SIZE: Final = 4096
_AUTH: Final = 16
_POINT: Final = 65
_LAST_RECORD: Final = b"\x02"


class BadKeys(ValueError):
    """The keys of a subscription are not those that a browser makes."""


@dataclass(frozen=True, slots=True)
class BrowserKeys:
    """The public key of the browser for this subscription, and the secret that it shares with the server."""

    public: ec.EllipticCurvePublicKey
    auth: bytes

    @classmethod
    def of(cls, subscription: Subscription) -> BrowserKeys:
        """Read the keys of a subscription. Raises BadKeys."""
        point, auth = decoded(subscription.p256dh), decoded(subscription.auth.reveal())
        if len(point) != _POINT or len(auth) != _AUTH:
            raise BadKeys("the keys of the subscription have a wrong length")
        try:
            return cls(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point), auth)
        except ValueError:
            raise BadKeys("the key of the subscription is not a point of P-256") from None


def encrypted(content: bytes, keys: BrowserKeys, once: ec.EllipticCurvePrivateKey, salt: bytes) -> bytes:
    """Return the body of a push message. ``once`` and ``salt`` must be new for each one. Raises ValueError if the
    content is too long."""
    if len(content) >= PADDED:
        raise ValueError(f"a push message has at most {PADDED - 1} bytes")
    own, theirs = point_of(once.public_key()), point_of(keys.public)
    shared = once.exchange(ec.ECDH(), keys.public)
    # RFC 8291 section 3.4, then RFC 8188 sections 2.2 and 2.3; there is one record, whose number is 0.
    secret = _derived(shared, keys.auth, b"WebPush: info\0" + theirs + own, 32)
    key = _derived(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derived(secret, salt, b"Content-Encoding: nonce\0", 12)
    padded = (content + _LAST_RECORD).ljust(PADDED, b"\0")
    header = salt + _RECORD_SIZE.to_bytes(4, "big") + bytes([len(own)]) + own
    return header + AESGCM(key).encrypt(nonce, padded, None)


def point_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return a public key as 65 bytes (X9.62, uncompressed)."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def encoded(content: bytes) -> str:
    """Return base64url without padding."""
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """Return the bytes of base64url. Raises BadKeys."""
    try:
        return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        raise BadKeys("the keys of the subscription are not base64url") from None


def _derived(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)
