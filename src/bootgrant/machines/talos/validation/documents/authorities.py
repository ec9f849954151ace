"""Certificate authorities, service accounts, and the certificates of registries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bootgrant.machines.talos.validation.documents.certificates import is_certificate
from bootgrant.machines.talos.validation.documents.keys import is_pkcs8_key, key_fault
from bootgrant.machines.talos.validation.documents.pem import CERTIFICATE, pem_blocks
from bootgrant.machines.talos.validation.documents.rules import Rule, Section, before, check, inside, required, since
from bootgrant.machines.talos.validation.report import Check

_NO_CERTIFICATES: Final = "must be certificates in PEM, and nothing else"


def _are_certificates(text: str) -> bool:
    """Whether a text has PEM blocks, all of them certificates by their label (``AssertValidPEM``)."""
    labels = {block.label for block in pem_blocks(text)}
    return labels == {CERTIFICATE}


def _first_is_certificate(text: str) -> bool:
    block = next(pem_blocks(text), None)
    return block is not None and is_certificate(block.content)


def pair(name: str, *, is_loaded: bool) -> Rule:
    """A certificate and a key, if they are present (``CertificateAndKey.Validate``); the first fault counts."""

    def run(section: Section) -> None:
        if section.has(name):
            inner = section.inner(name)
            field, fault = _pair_fault(inner.text("cert"), inner.text("key"), is_loaded=is_loaded)
            if fault:
                inner.refuse(field, fault)

    return run


def _pair_fault(certificate: str, key: str, *, is_loaded: bool) -> tuple[str, str]:
    if not certificate:
        return "cert", "must be set"
    if not key:
        return "key", "must be set"
    if not _are_certificates(certificate):
        return "cert", _NO_CERTIFICATES
    if next(pem_blocks(key), None) is None:
        return "key", "is not a key in PEM"
    if is_loaded and not _first_is_certificate(certificate):
        return "cert", "is not a valid certificate: make it again"
    return "key", key_fault(key, is_x25519_fine=True) if is_loaded else ""


def _accepted(section: Section) -> None:
    for index, text in enumerate(section.items("acceptedCAs")):
        if not _are_certificates(text):
            section.refuse(f"acceptedCAs[{index}]", _NO_CERTIFICATES)


def _needs_pair(section: Section) -> None:
    if not section.has("issuingCA"):
        section.refuse("issuingCA", "must be set")


def _issuer_key(section: Section) -> None:
    key = section.text("privateKey")
    fault = key_fault(key) if key else ""
    if fault:
        section.refuse("privateKey", fault)


def _some_certificate(section: Section) -> None:
    """At least one certificate can be read (``AppendCertsFromPEM``, which skips blocks with headers)."""
    text = section.text("ca")
    found = (block for block in pem_blocks(text) if block.label == CERTIFICATE and not block.has_headers)
    if text and not any(is_certificate(block.content) for block in found):
        section.refuse("ca", "has no valid certificate in PEM")


def _loaded_identity(section: Section) -> None:
    """Releases before 1.14 load the first certificate and the first key, whatever their labels."""
    if not section.has("clientIdentity"):
        return
    identity = section.inner("clientIdentity")
    if not _first_is_certificate(identity.text("cert")):
        identity.refuse("cert", "is not a valid certificate in PEM")
    if not is_pkcs8_key(identity.text("key")):
        identity.refuse("key", "is not a PKCS #8 key in PEM")


CHECKS: Final[Mapping[str, Check]] = {
    "KubeAPIServerCAConfig": check(pair("issuingCA", is_loaded=True), _accepted),
    "KubeAggregatorCAConfig": check(_needs_pair, pair("issuingCA", is_loaded=True), _accepted),
    "KubeServiceAccountConfig": check(
        inside("issuer", required("privateKey", "issuerURL"), _issuer_key),
    ),
    "RegistryTLSConfig": check(
        required("name"),
        _some_certificate,
        since("1.14", pair("clientIdentity", is_loaded=False)),
        before("1.14", _loaded_identity),
    ),
}
