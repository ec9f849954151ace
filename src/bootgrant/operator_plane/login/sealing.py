"""The ID token of a session, encrypted with a key that only the browser's cookie gives (RFC 7516, A256GCM)."""

from __future__ import annotations

import hmac

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from bootgrant.wire.secret import Secret


def seal(session: Secret, text: str) -> str:
    """``text`` for the store."""
    return jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM"}, text, _key(session))


def unseal(session: Secret, sealed: str) -> Secret | None:
    """What was sealed with this session; None for nothing, and for what was sealed with another."""
    try:
        plain = jwe.decrypt_compact(sealed, _key(session)).plaintext if sealed else None
    except (JoseError, ValueError):
        return None
    return Secret(plain.decode()) if plain else None


def _key(session: Secret) -> OctKey:
    return OctKey.import_key(hmac.digest(session.reveal().encode(), b"bootgrant sealed ID token", "sha256"))
