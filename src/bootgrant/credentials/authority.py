"""A certificate authority of a site's own, and the certificates that it signs (RFC 5280).

The authority may only sign for the hosts that it was made for: its name constraints name them, and every client that
checks certificates refuses others. So a machine or a phone that trusts it does not trust it with the rest of the web.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from bootgrant.wire.secret import Secret

AUTHORITY_DAYS: Final = 3650
CERTIFICATE_DAYS: Final = 90
_EARLIER: Final = timedelta(days=1)
"""A certificate is valid from some time before it was made: the clocks of machines that boot are often behind."""
_ALWAYS: Final = ("localhost", "127.0.0.1")
"""Allowed in every authority. With a name and an address in its list, no other name and no other address is allowed: a
list without any addresses would allow all of them."""
_LONGEST_NAME: Final = 64
_ACME_IDENTIFIER: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")


class NotOpened(Exception):
    """A private key cannot be opened with the secret that was given, or is damaged."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def new_authority(hosts: Iterable[str], now: float) -> KeyPair:
    """Make an authority that may sign for ``hosts`` and this computer itself, on a new P-256 key."""
    key = new_key()
    wanted = tuple(dict.fromkeys((*hosts, *_ALWAYS)))
    # Two authorities of a site have different names, so no verifier takes one for the other.
    name = _name(f"bootgrant {os.urandom(3).hex()} {wanted[0]}"[:_LONGEST_NAME])
    usage = _usage(key_cert_sign=True, crl_sign=True)
    certificate = (
        _builder(name, key, now, AUTHORITY_DAYS)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.NameConstraints([_constraint(host) for host in wanted], None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(certificate, key)


def sign(authority: KeyPair, hosts: Sequence[str], now: float, days: float = CERTIFICATE_DAYS) -> KeyPair:
    """Make a server's certificate for ``hosts``, on a new P-256 key."""
    key = new_key()
    issuer = authority.certificate
    identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        # Not a host name: OpenSSL would compare one here with the name constraints as well.
        _builder(_name("bootgrant server"), key, now, days)
        .issuer_name(issuer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return KeyPair(certificate, key)


def hosts_allowed(certificate: x509.Certificate) -> list[str]:
    """The host names and addresses that an authority may sign for."""
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints).value
    return [str(each.value).removesuffix("/32").removesuffix("/128") for each in constraints.permitted_subtrees or ()]


def may_sign_for(certificate: x509.Certificate, host: str) -> bool:
    """Return whether the name constraints of an authority allow a host."""
    address = _address(host)
    for allowed in hosts_allowed(certificate):
        if (address is not None and address == _address(allowed)) or host == allowed:
            return True
        if address is None and _address(allowed) is None and host.endswith(f".{allowed}"):
            return True
    return False


def is_signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001  (a wrong signature has its own exception, and so do other algorithms)
        return False
    return True


def hosts_of(certificate: x509.Certificate) -> frozenset[str]:
    """The host names and addresses that a server's certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset([*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))])


def fingerprint(certificate: x509.Certificate) -> str:
    """The SHA-256 fingerprint as browsers, phones and openssl show it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def as_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def locked(key: ec.EllipticCurvePrivateKey, secret: Secret) -> str:
    """A private key as PEM, encrypted with a secret (PKCS #8)."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(secret.reveal().encode()),
    ).decode()


def in_clear(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key as PEM that is not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def unlocked(pem: bytes, secret: Secret) -> ec.EllipticCurvePrivateKey:
    """Open such a key. Raises NotOpened."""
    try:
        key = serialization.load_pem_private_key(pem, secret.reveal().encode())
    except (ValueError, TypeError) as error:
        raise NotOpened from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise NotOpened
    return key


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def signing_request(key: ec.EllipticCurvePrivateKey, hosts: Sequence[str]) -> bytes:
    """A request for a certificate as PEM (PKCS #10), for another authority."""
    names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).add_extension(names, critical=True)
    return request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def challenge_certificate(host: str, digest: bytes, now: float) -> KeyPair:
    """The certificate that answers an ACME authority's ``tls-alpn-01`` (RFC 8737 section 3)."""
    key, name = new_key(), _name("bootgrant challenge")
    certificate = (
        _builder(name, key, now, 1)
        .issuer_name(name)
        .add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
        # An OCTET STRING of 32 bytes in DER.
        .add_extension(x509.UnrecognizedExtension(_ACME_IDENTIFIER, b"\x04\x20" + digest), critical=True)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(certificate, key)


def _builder(name: x509.Name, key: ec.EllipticCurvePrivateKey, now: float, days: float) -> x509.CertificateBuilder:
    at = datetime.fromtimestamp(int(now), UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(at - _EARLIER)
        .not_valid_after(at + timedelta(days=days))
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _general_name(host: str) -> x509.GeneralName:
    address = _address(host)
    return x509.DNSName(host) if address is None else x509.IPAddress(address)


def _constraint(host: str) -> x509.GeneralName:
    address = _address(host)
    return x509.DNSName(host) if address is None else x509.IPAddress(ipaddress.ip_network(address))


def _usage(**used: bool) -> x509.KeyUsage:
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{each: used.get(each, False) for each in every})
