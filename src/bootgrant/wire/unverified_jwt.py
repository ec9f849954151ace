"""What a JWT (RFC 7519) says, before anybody looked at its signature."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from bootgrant.wire.secret import Secret

_MOST: Final = 16 * 1024


def read_unverified(token: Secret, most: int = _MOST) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """Header and claims of something that looks like a JWT, believed by nobody; None for anything else."""
    parts = token.reveal().split(".")
    if len(parts) != 3 or len(token.reveal()) > most:
        return None
    try:
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except (ValueError, RecursionError):
        return None
    return (header, claims) if isinstance(header, dict) and isinstance(claims, dict) else None
