"""The certificates that bootgrant trusts as a client, the same on every Python.

Python 3.13 and newer reject an authority without the key usage extension (RFC 5280 section 4.2.1.3), which
``openssl req -x509`` creates. Older Pythons, Go and thereby Talos, curl and browsers accept it.
"""

from __future__ import annotations

import ssl
from pathlib import Path


def client_context(authorities: Path | str | None = None) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities, or only those in a PEM file.

    Raises OSError or ssl.SSLError if the file cannot be read or has no certificate.
    """
    context = ssl.create_default_context(cafile=authorities)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
