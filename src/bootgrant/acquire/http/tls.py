"""TLS as a client: the trusted authorities, and an explanation of a rejected certificate."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Final

from bootgrant import trust
from bootgrant.acquire.errors import BadParameter, TlsFailed, reason_of

_NOT_YET_VALID: Final = 9  # X509_V_ERR_* of OpenSSL
_EXPIRED: Final = 10
_UNKNOWN_ISSUER: Final = frozenset({2, 18, 19, 20, 21})
_WRONG_NAME: Final = frozenset({62, 64})


def client_context(ca: Path | None, authorities: str = "") -> ssl.SSLContext:
    """Trust the system's authorities, the file ``ca`` and the text ``authorities`` (both PEM). Raises BadParameter."""
    context = trust.client_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if ca is not None:
        try:
            context.load_verify_locations(cafile=str(ca))
        except (OSError, ssl.SSLError) as error:
            what = f"cannot use the certificate authorities in {ca}: {reason_of(error)}"
            raise BadParameter(what, "name a PEM file with --ca") from error
    if authorities:
        add_authorities(context, authorities)
    return context


def add_authorities(context: ssl.SSLContext, pem: str) -> None:
    """Also trust the certificates of ``talos.config.early``. Raises BadParameter."""
    try:
        context.load_verify_locations(cadata=pem)
    except ssl.SSLError as error:
        what = "talos.config.early contains a certificate that cannot be read"
        raise BadParameter(what, "create it with `bootgrant kernel-args --ca FILE`") from error


def explain_certificate(error: ssl.SSLCertVerificationError, where: str) -> TlsFailed:
    """Explain a rejected certificate to the person at the console; at boot the usual reason is a wrong clock."""
    code = error.verify_code
    if code in {_NOT_YET_VALID, _EXPIRED}:
        clock = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
        state = "not yet valid" if code == _NOT_YET_VALID else "no longer valid"
        advice = "set the clock (NTP, or the firmware setup), then start again"
        if code == _EXPIRED:
            advice = "if this clock is right, the server needs a new certificate; otherwise set the clock"
        return TlsFailed(f"the certificate of {where} is {state}, and this machine's clock says {clock}", advice)
    if code in _UNKNOWN_ISSUER:
        what = f"the certificate of {where} is signed by an authority that this machine does not know"
        return TlsFailed(what, "pass the authority's PEM file with --ca")
    if code in _WRONG_NAME:
        what = f"the certificate of {where} is for another name"
        return TlsFailed(what, "use a name from the certificate in the URL")
    return TlsFailed(f"the certificate of {where} is not accepted ({error.verify_message})", "inspect the certificate")
