"""Whose certificates are believed where bootgrant is the client: the same on every Python.

Python 3.13 and newer refuse an authority without the key usage extension (RFC 5280 section 4.2.1.3), as
``openssl req -x509`` makes it. Go, and so Talos, curl and browsers take it, and so did older Pythons.
"""

from __future__ import annotations

import ssl
from pathlib import Path


def client_context(authorities: Path | str | None = None) -> ssl.SSLContext:
    """A context that believes the system's authorities, or only those of a PEM file.

    Raises OSError and ssl.SSLError for a file that cannot be read, or has no certificate.
    """
    context = ssl.create_default_context(cafile=authorities)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
