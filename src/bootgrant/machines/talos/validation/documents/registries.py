"""Registries and images: credentials, mirrors, verification of images, and the settings of containerd."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bootgrant.machines.talos.validation.documents.rules import (
    Section,
    check,
    each,
    if_present,
    required,
    scheme,
    since,
)
from bootgrant.machines.talos.validation.forms import is_qualified_name
from bootgrant.machines.talos.validation.report import Check
from bootgrant.machines.talos.validation.runtime_spec import runtime_spec_faults

_LEGACY_CUSTOMIZATION: Final = "customization"
"""The name under which Talos keeps the customization of the v1alpha1 document."""
_ONLY_NAMES: Final = "only the registry and the repository are compared, not the tag and the digest"


def _one_credential(section: Section) -> None:
    username, token, auth = (bool(section.text(name)) for name in ("username", "identityToken", "auth"))
    if username and token:
        section.refuse("identityToken", "is only possible without username")
    if auth and (username or token):
        section.refuse("auth", "is only possible without username and identityToken")


def _overrides(section: Section) -> None:
    for fault in runtime_spec_faults(section.keys("overrides"), section.report.release):
        section.refuse("overrides", fault)


def _customization_name(section: Section) -> None:
    name = section.text("name")
    if not is_qualified_name(name):
        section.refuse("name", "must be 1 to 63 letters, digits, -, _ and ., with a domain and / in front if need be")
    if name == _LEGACY_CUSTOMIZATION:
        section.refuse("name", "is reserved: use another name")


def _image_pattern(rule: Section) -> None:
    image = rule.text("image")
    if "@" in image:
        rule.warn("image", f"contains @, but {_ONLY_NAMES}")
    if ":" in image.partition("/")[2]:
        rule.warn("image", f"contains : after the registry, but {_ONLY_NAMES}")
    if image and "/" not in image and image != "*":
        rule.warn("image", "has no /: such images are compared with docker.io in front")


def _verdict(rule: Section) -> None:
    skip, deny = rule.is_true("skip"), rule.is_true("deny")
    has_verifier = rule.has("keyless") or rule.has("publicKey")
    if skip and deny:
        rule.refuse("deny", "is only possible without skip")
    if (skip or deny) and has_verifier:
        rule.refuse("", "must not have a verifier with skip or deny")
    if not (skip or deny or has_verifier):
        rule.refuse("", "must have one of keyless, publicKey, skip and deny")
    if rule.has("keyless") and rule.has("publicKey"):
        rule.refuse("publicKey", "is only possible without keyless")


def _subject(keyless: Section) -> None:
    if not keyless.text("subject") and not keyless.text("subjectRegex"):
        keyless.refuse("", "must have subject or subjectRegex")


CHECKS: Final[Mapping[str, Check]] = {
    "RegistryAuthConfig": check(required("name"), _one_credential),
    "RegistryMirrorConfig": check(required("name"), each("endpoints", required("url"), scheme("url", "https", "http"))),
    "CRIBaseRuntimeSpecConfig": check(_overrides),
    "CRICustomizationConfig": check(_customization_name),
    "ImageVerificationConfig": check(
        each(
            "rules",
            required("image"),
            since("1.14", _image_pattern),
            _verdict,
            if_present("keyless", required("issuer"), _subject),
            if_present("publicKey", required("certificate")),
        )
    ),
}
