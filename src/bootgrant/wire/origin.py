"""The origin of a URL in one normal form, and whether browsers allow passkeys there."""

from __future__ import annotations

from ipaddress import IPv6Address
from urllib.parse import unquote, urlsplit

_USUAL_PORTS = {"http": 80, "https": 443}
Origin = tuple[str, str, int | None]


def origin_of(url: str) -> Origin | None:
    """Return scheme, host and port of a URL (RFC 6454 section 4), or None if it has no origin (``null``).

    However a host is spelled, it is the same one: in capitals, with a dot at its end, in the alphabet of its language
    or in ASCII, and an IPv6 address with all its zeros.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        host = ascii_host(parts.hostname or "")
    except ValueError:
        return None
    if not parts.scheme or not host or "@" in parts.netloc:
        return None
    return parts.scheme, host, port or _USUAL_PORTS.get(parts.scheme)


def ascii_host(host: str) -> str:
    """Return a host as browsers send it (UTS 46 without validation of the labels). Raises ValueError."""
    if ":" in host:
        return str(IPv6Address(host))
    if "%" in host:
        host = unquote(host, errors="strict")
    host = host.lower()
    return (host if host.isascii() else _a_labels(host)).removesuffix(".")


def _a_labels(host: str) -> str:
    # Its tables are large, and only such names need them.
    from idna import uts46_remap

    labels = uts46_remap(host, std3_rules=False, transitional=False).split(".")
    return ".".join(label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}" for label in labels)


def browser_origin(url: str) -> str:
    """Return the origin of a URL as browsers write it, without the usual port of its scheme. Raises ValueError."""
    origin = origin_of(url)
    if origin is None:
        raise ValueError("the URL has no origin")
    scheme, host, port = origin
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}" if port in (None, _USUAL_PORTS.get(scheme)) else f"{scheme}://{shown}:{port}"


def has_passkeys(public_url: str) -> bool:
    """Return whether browsers allow passkeys: https with a host name, or http://localhost (WebAuthn section 5.1)."""
    origin = origin_of(public_url)
    if origin is None:
        return False
    scheme, host, _ = origin
    is_name = any(letter.isalpha() for letter in host) and ":" not in host
    return is_name and (scheme == "https" or host == "localhost" or host.endswith(".localhost"))
