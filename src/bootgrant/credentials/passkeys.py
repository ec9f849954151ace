"""WebAuthn with py_webauthn, bound to the host and the origin of the pages.

Two rules are added to it: the page may not be inside another site's page, and an RSA key has at least 2,048 bits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import webauthn
from webauthn import helpers
from webauthn.helpers.decode_credential_public_key import DecodedRSAPublicKey
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from bootgrant.ports.people import NewCredential, Passkey, PasskeyAssertion, PasskeyFlaw
from bootgrant.wire.origin import browser_origin

_TIME_LIMIT: Final = 5 * 60 * 1000
"""Milliseconds for which the browser waits for the person. The challenge expires at the same time."""

_MALFORMED: Final = (WebAuthnException, ValueError, KeyError, TypeError, RecursionError)
"""What py_webauthn raises for malformed answers. Some of its parsers raise plain errors."""

_LEAST_RSA_BITS: Final = 2048
"""NIST SP 800-131A and RFC 8812 section 2 allow no shorter RSA keys."""


class WebAuthnCeremony:
    """Implements ports.people.PasskeyCeremony for the pages at ``public_url``; ``origin`` is as browsers write it."""

    def __init__(self, public_url: str) -> None:
        self.origin = browser_origin(public_url)
        self._rp_id = urlsplit(self.origin).hostname or ""

    def creation_options(self, challenge: bytes, handle: bytes, name: str, known: Sequence[bytes]) -> str:
        options = webauthn.generate_registration_options(
            rp_id=self._rp_id,
            rp_name="bootgrant",
            user_name=name,
            user_id=handle,
            challenge=challenge,
            timeout=_TIME_LIMIT,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED, user_verification=UserVerificationRequirement.PREFERRED
            ),
            exclude_credentials=_descriptors(known),
        )
        return webauthn.options_to_json(options)

    def request_options(self, challenge: bytes, known: Sequence[bytes], *, verified: bool) -> str:
        wanted = UserVerificationRequirement.REQUIRED if verified else UserVerificationRequirement.PREFERRED
        options = webauthn.generate_authentication_options(
            rp_id=self._rp_id,
            challenge=challenge,
            timeout=_TIME_LIMIT,
            allow_credentials=_descriptors(known) or None,
            user_verification=wanted,
        )
        return webauthn.options_to_json(options)

    def challenge_of(self, answer: str) -> bytes | None:
        try:
            response = helpers.parse_registration_credential_json(answer).response
            return helpers.parse_client_data_json(response.client_data_json).challenge
        except _MALFORMED:
            return None

    def verify_creation(self, answer: str, challenge: bytes) -> NewCredential | PasskeyFlaw:
        try:
            if _is_inside_another_site(helpers.parse_registration_credential_json(answer).response.client_data_json):
                return PasskeyFlaw.CROSS_ORIGIN
            checked = webauthn.verify_registration_response(
                credential=answer, expected_challenge=challenge, expected_rp_id=self._rp_id, expected_origin=self.origin
            )
            if _is_weak(checked.credential_public_key):
                return PasskeyFlaw.WEAK_KEY
        except _MALFORMED:
            return PasskeyFlaw.WRONG
        return NewCredential(checked.credential_id, checked.credential_public_key, checked.sign_count)

    def read_assertion(self, answer: str) -> PasskeyAssertion | None:
        try:
            credential = helpers.parse_authentication_credential_json(answer)
            challenge = helpers.parse_client_data_json(credential.response.client_data_json).challenge
        except _MALFORMED:
            return None
        return PasskeyAssertion(challenge, credential.raw_id, credential.response.user_handle or b"")

    def verify_assertion(self, answer: str, challenge: bytes, passkey: Passkey, *, verified: bool) -> int | PasskeyFlaw:
        try:
            if _is_inside_another_site(helpers.parse_authentication_credential_json(answer).response.client_data_json):
                return PasskeyFlaw.CROSS_ORIGIN
            if _is_weak(passkey.public_key):
                return PasskeyFlaw.WEAK_KEY
            checked = webauthn.verify_authentication_response(
                credential=answer,
                expected_challenge=challenge,
                expected_rp_id=self._rp_id,
                expected_origin=self.origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=verified,
            )
        except _MALFORMED:
            return PasskeyFlaw.WRONG
        return checked.new_sign_count


def _is_inside_another_site(client_data: bytes) -> bool:
    """Return whether the browser says that our page was in a frame of another site (WebAuthn section 5.8.1).

    Our pages forbid to be framed, so no honest browser ever says so. py_webauthn leaves this check to its callers.
    """
    members = json.loads(client_data)
    return members.get("crossOrigin", False) is not False or "topOrigin" in members


def _is_weak(public_key: bytes) -> bool:
    """Return whether a COSE key is an RSA key that is too short."""
    key = helpers.decode_credential_public_key(public_key)
    return isinstance(key, DecodedRSAPublicKey) and int.from_bytes(key.n, "big").bit_length() < _LEAST_RSA_BITS


def _descriptors(known: Sequence[bytes]) -> list[PublicKeyCredentialDescriptor]:
    return [PublicKeyCredentialDescriptor(id=credential_id) for credential_id in known]
