"""A passkey in software (WebAuthn Level 3), for tests that need no browser: one P-256 key and a signature counter."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, derive_private_key

_USER_PRESENT, _USER_VERIFIED, _NEW_CREDENTIAL = 0x01, 0x04, 0x40


@dataclass(slots=True)
class SoftPasskey:
    """``secret`` is the private key as a number. ``origin`` is the site's, as a browser writes it. ``members`` are
    added to the client data."""

    origin: str
    host: str
    secret: int
    credential_id: bytes
    count: int = 0
    handle: str = ""
    members: Mapping[str, object] = field(default_factory=dict)

    def register(self, options: str, *, cose_key: bytes | None = None) -> str:
        """Answer the options of a registration (section 5.1.3), with attestation "none".

        ``cose_key`` replaces the key.
        """
        asked = json.loads(options)
        self.handle = asked["user"]["id"]
        numbers = derive_private_key(self.secret, SECP256R1()).public_key().public_numbers()
        # RFC 9053: key type EC2, algorithm ES256, curve P-256, and the two coordinates.
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        credential = (
            bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + (cose_key or cbor2.dumps(key))
        )
        attested = self._authenticator_data(_NEW_CREDENTIAL) + credential
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": attested})
        return self._answer(
            clientDataJSON=_base64(self._client_data("webauthn.create", asked)), attestationObject=_base64(attestation)
        )

    def sign_in(self, options: str) -> str:
        """Answer the options of a sign-in (section 5.1.4)."""
        self.count += 1
        client_data = self._client_data("webauthn.get", json.loads(options))
        data = self._authenticator_data(0)
        key = derive_private_key(self.secret, SECP256R1())
        signature = key.sign(data + hashlib.sha256(client_data).digest(), ECDSA(hashes.SHA256()))
        return self._answer(
            clientDataJSON=_base64(client_data),
            authenticatorData=_base64(data),
            signature=_base64(signature),
            userHandle=self.handle,
        )

    def _client_data(self, kind: str, asked: dict[str, Any]) -> bytes:
        members = {"type": kind, "challenge": asked["challenge"], "origin": self.origin, **self.members}
        return json.dumps(members).encode()

    def _authenticator_data(self, flags: int) -> bytes:
        flags |= _USER_PRESENT | _USER_VERIFIED
        return hashlib.sha256(self.host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _answer(self, **response: str) -> str:
        credential_id = _base64(self.credential_id)
        return json.dumps({"id": credential_id, "rawId": credential_id, "type": "public-key", "response": response})


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
