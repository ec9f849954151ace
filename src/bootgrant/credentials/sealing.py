"""Encryption of a text with a key derived from a secret that only its owner has (RFC 7516, A256GCM).

The database holds only the ciphertext: an ID token that a session's cookie opens, a value that a machine's access token
opens. A copy of the database reveals neither. A refresh token and a subscription to push messages are sealed with the
code key, which is a file of its own.
"""

from __future__ import annotations

import hmac

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from bootgrant.wire.secret import Secret

ID_TOKEN = b"bootgrant sealed ID token"
RENEWAL = b"bootgrant sealed refresh token"
MINTED = b"bootgrant value made at delivery"
SUBSCRIPTION = b"bootgrant sealed push subscription"


class SecretSealing:
    """Implements ports.providers.Sealing. ``purpose`` keeps the keys of different uses apart."""

    def __init__(self, purpose: bytes) -> None:
        self._purpose = purpose

    def seal(self, secret: Secret, text: str) -> str:
        return jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, text, self._key(secret))

    def unseal(self, secret: Secret, sealed: str) -> Secret | None:
        try:
            plain = jwe.decrypt_compact(sealed, self._key(secret)).plaintext if sealed else None
        except (JoseError, ValueError):
            return None
        return Secret(plain.decode()) if plain else None

    def _key(self, secret: Secret) -> OctKey:
        return OctKey.import_key(hmac.digest(secret.reveal().encode(), self._purpose, "sha256"))
