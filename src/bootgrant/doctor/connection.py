"""DNS, TCP and TLS as a machine finds them.

Each address is tried on its own, because a machine may pick the one that does not answer. TLS trusts the authorities of
a Talos image (Mozilla's) and of the kernel command line, and not those of this computer: an office computer often knows
a private authority, and everything seems to work there.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import certifi
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from bootgrant.acquire.facts.network import is_loopback
from bootgrant.acquire.http import tls
from bootgrant.acquire.http.dial import Address, TransportError, Trouble, connect, resolve, shown_address
from bootgrant.acquire.http.endpoint import Endpoint
from bootgrant.acquire.http.transport import unreachable
from bootgrant.doctor.findings import Finding, Level, Step
from bootgrant.trust import client_context

_DNS_LIMIT: Final = 10.0
_CONNECT_LIMIT: Final = 5.0
_TLS_LIMIT: Final = 10.0
_MOST_ADDRESSES: Final = 8
_MOST_NAMES: Final = 8
_SOON: Final = 14 * 86400.0
_CLOCK_TOLERANCE: Final = 60.0
_DATE: Final = "%Y-%m-%d"
_ISSUER_MISSING: Final = frozenset({20, 21})  # X509_V_ERR_* of OpenSSL
_UNKNOWN_ISSUER: Final = _ISSUER_MISSING | {2, 18, 19}

_network = partial(Finding, Step.NETWORK)
_tls = partial(Finding, Step.TLS)


def examine_network(what: str, endpoint: Endpoint) -> Iterator[Finding]:
    """Check that ``endpoint`` can be reached from here; ``what`` is its name for people."""
    yield from _judge_name(endpoint)
    try:
        addresses = list(dict.fromkeys(resolve(endpoint.host, endpoint.port, time.monotonic() + _DNS_LIMIT)))
    except TransportError as error:
        yield _network(Level.ERROR, "name", f"{what}: {error.what}", "check the name in the URL, and DNS")
        return
    tried = addresses[:_MOST_ADDRESSES]
    failures = {address: failure for address in tried if (failure := _try(address)) is not None}
    if len(failures) == len(tried):
        explained = unreachable(next(iter(failures.values())), endpoint)
        yield _network(Level.ERROR, "connect", f"{what}: {explained.what}", explained.next_step)
    elif failures:
        dead = ", ".join(f"{shown_address(address[1])} ({failures[address].what})" for address in failures)
        message = f"{what}: {len(failures)} of {len(tried)} addresses of {endpoint.host} do not answer: {dead}"
        yield _network(Level.WARNING, "dead-address", message, "remove them from DNS: a machine may try them first")
    else:
        reached = ", ".join(shown_address(address[1]) for address in tried)
        yield _network(Level.OK, "reached", f"{what}: {endpoint.shown()} answers at {reached}")


def _judge_name(endpoint: Endpoint) -> Iterator[Finding]:
    name = endpoint.name.rstrip(".").lower()
    if is_loopback(endpoint.host):
        message = f"{endpoint.shown()} is this computer itself: a booting machine would connect to itself"
        yield _network(Level.NOTE, "loopback", message, "use a name or an address that machines can reach")
    elif name.endswith(".local"):
        message = f"{name} is a multicast DNS name, which a booting machine cannot resolve"
        yield _network(Level.WARNING, "mdns", message, "use a name that is in DNS")
    elif "." not in name and ":" not in name:
        message = f"{name} has no domain: a machine resolves it only with the search domain of its DHCP server"
        yield _network(Level.WARNING, "short-name", message, "write the full name: host.example.org")


def _try(address: Address) -> TransportError | None:
    try:
        with closing(connect([address], time.monotonic() + _CONNECT_LIMIT)):
            return None
    except TransportError as error:
        return error


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
        """The same plus ``--ca``: what ``bootgrant acquire --ca`` trusts at least."""
        context = self.of_machine()
        if self.given is not None:
            context.load_verify_locations(cafile=str(self.given))
        return context

    def of_computer(self) -> ssl.SSLContext:
        """What this computer trusts, plus ``early`` and ``--ca``."""
        return tls.client_context(self.given, self.early)


def examine_tls(what: str, endpoint: Endpoint, trust: Trust, now: float) -> Iterator[Finding]:
    """Check that a machine accepts the certificate of ``endpoint``, and for how long. ``now`` is in Unix seconds."""
    outcome = _handshake(endpoint, trust.of_machine())
    if isinstance(outcome, ssl.SSLCertVerificationError):
        yield from _judge_refusal(what, endpoint, trust, outcome, now)
    elif isinstance(outcome, TransportError):
        fix = "check that this port speaks TLS 1.2 or newer, and not plain HTTP"
        yield _tls(Level.ERROR, "tls", f"{what}: {outcome.what}", fix)
    else:
        yield _judge_validity(what, endpoint, outcome, now)


def _judge_validity(what: str, endpoint: Endpoint, accepted: dict[str, object], now: float) -> Finding:
    starts, ends = (ssl.cert_time_to_seconds(str(accepted[name])) for name in ("notBefore", "notAfter"))
    certificate = f"{what}: the certificate of {endpoint.shown()}"
    if ends - now < _SOON:
        message = f"{certificate} expires on {_date(ends)}, in {int((ends - now) / 86400)} days"
        return _tls(Level.WARNING, "certificate-ends", message, "renew it now")
    validity = f"is valid from {_date(starts)} to {_date(ends)}"
    return _tls(Level.OK, "certificate", f"{certificate} {validity}; a machine's clock must be within that range")


def examine_clock(date_header: str, now: float) -> Finding | None:
    """Compare this computer's clock with a server's ``Date``; None if that is not a date."""
    try:
        server = datetime.strptime(date_header, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    ahead = now - server
    if abs(ahead) > _CLOCK_TOLERANCE:
        which = "ahead of" if ahead > 0 else "behind"
        message = f"this computer's clock is {abs(ahead):.0f} s {which} the server's"
        return _tls(Level.WARNING, "clock", message, "correct the wrong one: tokens and certificates have dates")
    return _tls(Level.OK, "clock", "the server's clock agrees with this computer's")


def _handshake(
    endpoint: Endpoint, context: ssl.SSLContext
) -> dict[str, object] | ssl.SSLCertVerificationError | TransportError:
    """Return the certificate that was accepted, or why none was."""
    try:
        with _secured(endpoint, context) as secured:
            return dict(secured.getpeercert() or {})
    except (TransportError, ssl.SSLCertVerificationError) as error:
        return error
    except (OSError, EOFError) as error:
        reason = getattr(error, "reason", None) or error
        return TransportError(Trouble.TLS, f"no TLS with {endpoint.shown()} ({reason})")


def _secured(endpoint: Endpoint, context: ssl.SSLContext) -> ssl.SSLSocket:
    deadline = time.monotonic() + _TLS_LIMIT
    plain = connect(resolve(endpoint.host, endpoint.port, deadline), deadline)
    try:
        plain.settimeout(_TLS_LIMIT)
        return context.wrap_socket(plain, server_hostname=endpoint.name)
    except BaseException:
        plain.close()
        raise


def _judge_refusal(
    what: str, endpoint: Endpoint, trust: Trust, error: ssl.SSLCertVerificationError, now: float
) -> Iterator[Finding]:
    """Report an authority that only ``--ca`` or this computer knows, and then what else is wrong."""
    contexts = _wider(what, endpoint, trust) if error.verify_code in _UNKNOWN_ISSUER else ()
    for context, authority in contexts:
        outcome = _handshake(endpoint, context)
        if isinstance(outcome, dict):
            yield authority
            yield _judge_validity(what, endpoint, outcome, now)
            return
        if isinstance(outcome, ssl.SSLCertVerificationError) and outcome.verify_code not in _UNKNOWN_ISSUER:
            yield authority
            yield _refused(what, endpoint, outcome)
            return
    yield _refused(what, endpoint, error)


def _wider(what: str, endpoint: Endpoint, trust: Trust) -> Iterator[tuple[ssl.SSLContext, Finding]]:
    """Yield contexts that trust more than a node does, each with the finding if it knows the authority."""
    where = endpoint.shown()
    if trust.given is not None:
        message = f"{what}: only --ca has the authority of {where}; a Talos node with these parameters does not know it"
        fix = "add talos.config.early (`bootgrant kernel-args --ca FILE` makes it); `bootgrant acquire` takes --ca, too"
        yield trust.with_given(), _tls(Level.WARNING, "authority-not-on-cmdline", message, fix)
    message = f"{what}: this computer knows the authority of {where}, but a Talos node does not: it is not Mozilla's"
    fix = "put the authority on the command line: `bootgrant kernel-args --ca FILE`"
    yield trust.of_computer(), _tls(Level.ERROR, "authority-known-here-only", message, fix)


def _refused(what: str, endpoint: Endpoint, error: ssl.SSLCertVerificationError) -> Finding:
    explained = tls.explain_certificate(error, endpoint.shown())
    certificate = _unverified_certificate(endpoint)
    description = "" if certificate is None else _describe(certificate)
    message = f"{what}: {explained.what}{description}"
    if error.verify_code not in _UNKNOWN_ISSUER:
        return _tls(Level.ERROR, "certificate", message, explained.next_step)
    if error.verify_code in _ISSUER_MISSING and certificate is not None and _offers_its_issuer(certificate):
        message = f"{what}: {endpoint.shown()} does not send the intermediate certificate{description}"
        fix = "send the whole chain (fullchain.pem): a browser fetches what is missing, a machine does not"
        return _tls(Level.ERROR, "chain", message, fix)
    fix = "give the private authority: --ca FILE here, and `bootgrant kernel-args --ca FILE` for machines"
    return _tls(Level.ERROR, "certificate", message, fix)


def _offers_its_issuer(certificate: x509.Certificate) -> bool:
    """Whether it links to its issuer's certificate, as those of public authorities do (RFC 5280 section 4.2.2.1)."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    offered = any(each.access_method == AuthorityInformationAccessOID.CA_ISSUERS for each in access)
    return offered and certificate.issuer != certificate.subject


def _unverified_certificate(endpoint: Endpoint) -> x509.Certificate | None:
    """Return the server's certificate without checking it; None if there is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with _secured(endpoint, context) as secured:
            return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True) or b"")
    except (OSError, EOFError, ValueError, TransportError):
        return None


def _describe(found: x509.Certificate) -> str:
    """The names, the issuer and the dates of a certificate, in parentheses."""
    names = ", ".join(_names(found)) or found.subject.rfc4514_string() or "no name"
    validity = f"valid from {found.not_valid_before_utc:{_DATE}} to {found.not_valid_after_utc:{_DATE}}"
    return f" (it is for {names}, signed by {found.issuer.rfc4514_string() or 'nobody'}, {validity})"


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [str(name.value) for name in names][:_MOST_NAMES]


def _date(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime(_DATE)
