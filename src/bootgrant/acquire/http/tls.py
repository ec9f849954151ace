"""TLS as a client: which authorities count, and what a failed handshake means in words."""

from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bootgrant import trust
from bootgrant.acquire.errors import BadParameter, TlsFailed

_NOT_YET_VALID: Final = 9  # X509_V_ERR_* of OpenSSL
_EXPIRED: Final = 10
_UNKNOWN_ISSUER: Final = frozenset({2, 18, 19, 20, 21})
_WRONG_NAME: Final = frozenset({62, 64})


def client_context(ca: Path | None, authorities: str = "") -> ssl.SSLContext:
    """The system's authorities, those in the file ``ca`` and in ``authorities`` (PEM); TLS 1.2 or newer.

    Raises BadParameter for what holds no certificate that can be read.
    """
    context = trust.client_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca is not None:
        try:
            context.load_verify_locations(cafile=str(ca))
        except (OSError, ssl.SSLError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise BadParameter(
                f"cannot use the certificate authorities in {ca}: {reason}", "name a PEM file with --ca"
            ) from error
    if authorities:
        add_authorities(context, authorities)
    return context


def add_authorities(context: ssl.SSLContext, pem: str) -> None:
    """Trust the certificates that ``talos.config.early`` brought. Raises BadParameter."""
    try:
        context.load_verify_locations(cadata=pem)
    except ssl.SSLError as error:
        raise BadParameter(
            "talos.config.early holds a certificate that cannot be read",
            "make it with `bootgrant kernel-args --ca FILE`",
        ) from error


def explain_certificate(error: ssl.SSLCertVerificationError, where: str) -> TlsFailed:
    """What a refused certificate means for the person at the console; a wrong clock is the usual reason at boot."""
    code = error.verify_code
    if code in {_NOT_YET_VALID, _EXPIRED}:
        clock = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        state = "not yet valid" if code == _NOT_YET_VALID else "no longer valid"
        advice = "set the clock (NTP, or the firmware's setup) and start again"
        if code == _EXPIRED:
            advice = "if this clock is right, the server needs a new certificate; otherwise set the clock"
        return TlsFailed(f"the certificate of {where} is {state}, and this machine's clock says {clock}", advice)
    if code in _UNKNOWN_ISSUER:
        return TlsFailed(
            f"the certificate of {where} is signed by an authority that this machine does not know",
            "give the authority's PEM file with --ca",
        )
    if code in _WRONG_NAME:
        return TlsFailed(
            f"the certificate of {where} is for another name", "use the name that the certificate has in the URL"
        )
    return TlsFailed(f"the certificate of {where} is not accepted ({error.verify_message})", "look at the certificate")
