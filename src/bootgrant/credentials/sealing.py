"""Encryption of the ID token that a session keeps, with a key derived from the session's cookie (RFC 7516, A256GCM).

The database holds only the ciphertext, so a copy of it reveals no ID tokens.
"""

from __future__ import annotations

import hmac

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from bootgrant.wire.secret import Secret


class SessionSealing:
    """Implements ports.providers.Sealing."""

    def seal(self, session: Secret, text: str) -> str:
        return jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, text, _key(session))

    def unseal(self, session: Secret, sealed: str) -> Secret | None:
        try:
            plain = jwe.decrypt_compact(sealed, _key(session)).plaintext if sealed else None
        except (JoseError, ValueError):
            return None
        return Secret(plain.decode()) if plain else None


def _key(session: Secret) -> OctKey:
    return OctKey.import_key(hmac.digest(session.reveal().encode(), b"bootgrant sealed ID token", "sha256"))
