"""The content of a JWT (RFC 7519) whose signature has not been checked."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from bootgrant.wire.secret import Secret

_LONGEST: Final = 16 * 1024


def read_unverified(token: Secret, most: int = _LONGEST) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """Return the header and the claims, which must not be trusted; None if the token does not look like a JWT."""
    parts = token.reveal().split(".")
    if len(parts) != 3 or len(token.reveal()) > most:
        return None
    try:
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except (ValueError, RecursionError):
        return None
    return (header, claims) if isinstance(header, dict) and isinstance(claims, dict) else None


def lasting_part(token: Secret) -> str:
    """Return the part of a token that identifies it: of a JWT the signed part, without the signature.

    Anybody who has an ECDSA signature can compute a second valid one (s and n - s), and so make two tokens of one.
    """
    text = token.reveal()
    return text.rpartition(".")[0] if read_unverified(token) else text
