"""TLS as a machine does it: with Mozilla's authorities and those of its command line, not with this computer's.

A node has the authorities of its image and nothing else; a computer of the office often knows a private one, and there
everything seems to work.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import certifi
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from bootgrant.acquire.http import tls
from bootgrant.acquire.http.dial import TransportError, Trouble, connect, resolve
from bootgrant.acquire.http.endpoint import Endpoint
from bootgrant.doctor.findings import Finding, Level, Step
from bootgrant.trust import client_context

_LIMIT: Final = 10.0
_SOON: Final = 14 * 86400.0
_DAY: Final = "%Y-%m-%d"
_ISSUER_MISSING: Final = frozenset({20, 21})  # X509_V_ERR_* of OpenSSL
_UNKNOWN_ISSUER: Final = _ISSUER_MISSING | {2, 18, 19}


@dataclass(frozen=True, slots=True)
class Trust:
    """The authorities: ``early`` is PEM from ``talos.config.early``, ``given`` the file of ``--ca``."""

    early: str = ""
    given: Path | None = None

    def of_machine(self) -> ssl.SSLContext:
        """What a Talos node with these parameters trusts."""
        context = client_context(certifi.where())
        if self.early:
            tls.add_authorities(context, self.early)
        return context

    def with_given(self) -> ssl.SSLContext:
        """The same and ``--ca``: what ``bootgrant acquire --ca`` trusts at least."""
        context = self.of_machine()
        if self.given is not None:
            context.load_verify_locations(cafile=str(self.given))
        return context

    def of_computer(self) -> ssl.SSLContext:
        """What this computer trusts, and the same additions."""
        return tls.client_context(self.given, self.early)


def examine_tls(what: str, endpoint: Endpoint, trust: Trust, now: float) -> Iterator[Finding]:
    """Whether a machine accepts the certificate of ``endpoint``, and how long it will. ``now`` in Unix seconds."""
    outcome = _handshake(endpoint, trust.of_machine())
    if isinstance(outcome, ssl.SSLCertVerificationError):
        yield from _judge_refusal(what, endpoint, trust, outcome, now)
    elif isinstance(outcome, TransportError):
        fix = "does this port speak TLS 1.2 or newer, and not plain HTTP?"
        yield _finding(Level.ERROR, "tls", f"{what}: {outcome.what}", fix)
    else:
        yield _judge_span(what, endpoint, outcome, now)


def _judge_span(what: str, endpoint: Endpoint, accepted: dict[str, object], now: float) -> Finding:
    starts, ends = (ssl.cert_time_to_seconds(str(accepted[name])) for name in ("notBefore", "notAfter"))
    if ends - now < _SOON:
        message = (
            f"{what}: the certificate of {endpoint.shown()} ends on {_day(ends)}, in {int((ends - now) / 86400)} days"
        )
        return _finding(Level.WARNING, "certificate-ends", message, "renew it now")
    span = f"from {_day(starts)} to {_day(ends)}"
    message = f"{what}: the certificate of {endpoint.shown()} is good {span}; a machine's clock must be in between"
    return _finding(Level.OK, "certificate", message)


def examine_clock(date_header: str, now: float) -> Finding | None:
    """This computer's clock against a server's ``Date``; None when that says nothing."""
    try:
        said = datetime.strptime(date_header, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    ahead = now - said
    if abs(ahead) > 60:
        which = "ahead of" if ahead > 0 else "behind"
        message = f"this computer's clock is {abs(ahead):.0f} s {which} the server's"
        return _finding(
            Level.WARNING, "clock", message, "set the wrong one of the two: tokens and certificates have dates"
        )
    return _finding(Level.OK, "clock", "the server's clock agrees with this computer's")


def _handshake(
    endpoint: Endpoint, context: ssl.SSLContext
) -> dict[str, object] | ssl.SSLCertVerificationError | TransportError:
    """The certificate that was accepted, or why there is none."""
    deadline = time.monotonic() + _LIMIT
    try:
        with closing(connect(resolve(endpoint.host, endpoint.port, deadline), deadline)) as plain:
            plain.settimeout(_LIMIT)
            with context.wrap_socket(plain, server_hostname=endpoint.name) as secured:
                found: dict[str, object] = dict(secured.getpeercert() or {})
                return found
    except TransportError as error:
        return error
    except ssl.SSLCertVerificationError as error:
        return error
    except (OSError, EOFError) as error:
        return TransportError(
            Trouble.TLS, f"no TLS with {endpoint.shown()} ({getattr(error, 'reason', None) or error})"
        )


def _judge_refusal(
    what: str, endpoint: Endpoint, trust: Trust, error: ssl.SSLCertVerificationError, now: float
) -> Iterator[Finding]:
    """An authority that only ``--ca`` or this computer knows is told, and then what else there is to say."""
    contexts = _wider(what, endpoint, trust) if error.verify_code in _UNKNOWN_ISSUER else ()
    for context, authority in contexts:
        outcome = _handshake(endpoint, context)
        if isinstance(outcome, dict):
            yield authority
            yield _judge_span(what, endpoint, outcome, now)
            return
        if isinstance(outcome, ssl.SSLCertVerificationError) and outcome.verify_code not in _UNKNOWN_ISSUER:
            yield authority
            yield _refused(what, endpoint, outcome)
            return
    yield _refused(what, endpoint, error)


def _wider(what: str, endpoint: Endpoint, trust: Trust) -> Iterator[tuple[ssl.SSLContext, Finding]]:
    """What trusts more than a node does, and what it means when the authority is known there."""
    where = endpoint.shown()
    if trust.given is not None:
        message = (
            f"{what}: the authority of {where} is in --ca only; a Talos node with these parameters does not know it"
        )
        fix = "add talos.config.early (`bootgrant kernel-args --ca FILE` makes it); `bootgrant acquire` takes --ca, too"
        yield trust.with_given(), _finding(Level.WARNING, "authority-not-on-cmdline", message, fix)
    message = f"{what}: this computer knows the authority of {where}, a Talos node does not: it is none of Mozilla's"
    fix = "bring it along: `bootgrant kernel-args --ca FILE`"
    yield trust.of_computer(), _finding(Level.ERROR, "authority-known-here-only", message, fix)


def _refused(what: str, endpoint: Endpoint, error: ssl.SSLCertVerificationError) -> Finding:
    explained = tls.explain_certificate(error, endpoint.shown())
    certificate = _unaccepted(endpoint)
    described = "" if certificate is None else _describe(certificate)
    if error.verify_code not in _UNKNOWN_ISSUER:
        return _finding(Level.ERROR, "certificate", f"{what}: {explained.what}{described}", explained.next_step)
    if error.verify_code in _ISSUER_MISSING and certificate is not None and _offers_its_issuer(certificate):
        message = f"{what}: {endpoint.shown()} does not send the intermediate certificate{described}"
        fix = (
            "let the server send the whole chain (fullchain.pem): a browser fetches what is missing, a machine does not"
        )
        return _finding(Level.ERROR, "chain", message, fix)
    fix = "bring the private authority: --ca FILE here, and `bootgrant kernel-args --ca FILE` for machines"
    return _finding(Level.ERROR, "certificate", f"{what}: {explained.what}{described}", fix)


def _offers_its_issuer(certificate: x509.Certificate) -> bool:
    """Whether it says where its issuer's certificate is, as public authorities' do (RFC 5280 section 4.2.2.1)."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    offered = any(each.access_method == AuthorityInformationAccessOID.CA_ISSUERS for each in access)
    return offered and certificate.issuer != certificate.subject


def _unaccepted(endpoint: Endpoint) -> x509.Certificate | None:
    """The server's certificate without any check; None when there is none to be had."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    deadline = time.monotonic() + _LIMIT
    try:
        with closing(connect(resolve(endpoint.host, endpoint.port, deadline), deadline)) as plain:
            plain.settimeout(_LIMIT)
            with context.wrap_socket(plain, server_hostname=endpoint.name) as secured:
                return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
    except (OSError, EOFError, ValueError, TransportError):
        return None


def _describe(found: x509.Certificate) -> str:
    """Whose it is, by whom, from when to when."""
    names = ", ".join(_names(found)) or found.subject.rfc4514_string() or "no name"
    span = f"from {found.not_valid_before_utc:{_DAY}} to {found.not_valid_after_utc:{_DAY}}"
    return f" (it is for {names}, signed by {found.issuer.rfc4514_string() or 'nobody'}, good {span})"


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [str(name.value) for name in names][:8]


def _day(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime(_DAY)


def _finding(level: Level, code: str, message: str, fix: str = "") -> Finding:
    return Finding(Step.TLS, level, code, message, fix)
