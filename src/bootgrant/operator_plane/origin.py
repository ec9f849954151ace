"""The origin of the pages, and whether browsers allow passkeys there. Imports no web framework: settings use it."""

from __future__ import annotations

from urllib.parse import urlsplit

_USUAL_PORTS = {"http": 80, "https": 443}
Origin = tuple[str, str, int | None]


def origin_of(url: str) -> Origin | None:
    """Return scheme, host and port of a URL (RFC 6454 section 4), or None if it has no origin (``null``)."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.scheme or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or _USUAL_PORTS.get(parts.scheme)


def has_passkeys(public_url: str) -> bool:
    """Return whether browsers allow passkeys: https with a host name, or http://localhost (WebAuthn section 5.1)."""
    parts = urlsplit(public_url)
    host = parts.hostname or ""
    is_name = any(letter.isalpha() for letter in host) and ":" not in host
    return is_name and (parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"))
