"""How this server names itself to push services (VAPID, RFC 8292): a key, and a signed token for each of them.

A browser subscribes for the public key, so a push service takes messages for it from nobody else. All servers of a site
share the key: it follows from the code key, which they share already.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwt
from joserfc.jwk import ECKey

from bootgrant.messengers.push_encryption import encoded, point_of

VALID: Final = 12 * 3600.0
"""Seconds for which a token is valid; at most 24 hours are allowed (RFC 8292 section 2)."""

_PURPOSE: Final = b"bootgrant push key"
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of P-256 (SP 800-186 section 3.2.1.3)."""


@dataclass(frozen=True, slots=True)
class PushKey:
    """``contact`` is a mailto: or https: URL for the people who run a push service; empty for none."""

    private: ec.EllipticCurvePrivateKey = field(repr=False)
    contact: str = ""

    @classmethod
    def from_secret(cls, secret: bytes, contact: str = "") -> PushKey:
        """Derive the key from a secret that all servers of the site share."""
        # 512 bits, so that every key is as likely as any other (SP 800-186, FIPS 186-5 appendix A.2.1).
        number = int.from_bytes(hmac.digest(secret, _PURPOSE, "sha512"), "big")
        return cls(ec.derive_private_key(number % (_ORDER - 1) + 1, ec.SECP256R1()), contact)

    @property
    def public(self) -> str:
        """The public key as browsers and push services want it (RFC 8292 section 3.2)."""
        return encoded(point_of(self.private.public_key()))

    def authorization(self, audience: str, now: float) -> str:
        """Return the header ``authorization`` for the push service whose origin is ``audience``."""
        claims: dict[str, object] = {"aud": audience, "exp": int(now + VALID)}
        if self.contact:
            claims["sub"] = self.contact
        token = jwt.encode({"typ": "JWT", "alg": "ES256"}, claims, ECKey.import_key(self.private))
        return f"vapid t={token}, k={self.public}"
