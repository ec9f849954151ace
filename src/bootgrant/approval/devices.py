"""The proof, in a browser's cookie, that an operator has signed in with this browser before.

It opens nothing: it only gives this browser attempts of its own, which strangers cannot use up (OWASP's "device
cookies"). It is bound to the operator's name and password, ends by itself, and every sign-in makes a new one.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final

from bootgrant.approval.operators import person_key
from bootgrant.wire.secret import Secret

LIFETIME: Final = 90 * 86400.0
"""Seconds for which a proof is accepted."""

ID_LENGTH: Final = 16
"""Random bytes of a device's id."""

_TIME, _MARK, _MAC = 6, 8, 32
TEXT_LENGTH: Final = -(-(_TIME + ID_LENGTH + _MARK + _MAC) * 4 // 3)
"""Characters of a proof: base64 without padding."""


@dataclass(frozen=True, slots=True)
class Device:
    """What a genuine proof contains. ``mark`` identifies the password that was right when it was made."""

    device_id: bytes
    mark: bytes


@dataclass(frozen=True, slots=True, repr=False)
class DeviceProofs:
    """Makes and reads the proofs of one site; ``key`` is secret and the same on all servers of the site."""

    key: bytes

    def make(self, name: str, password_hash: str, device_id: bytes, now: float) -> Secret:
        """Return the proof for a browser with which the operator ``name`` has just signed in."""
        ends = int(now + LIFETIME).to_bytes(_TIME, "big")
        body = ends + device_id + self._mark(password_hash)
        return Secret(urlsafe_b64encode(body + self._mac(name, body)).rstrip(b"=").decode("ascii"))

    def read(self, proof: Secret, name: str, now: float) -> Device | None:
        """Return the device of a proof; None if it is malformed, forged, too old, or another operator's."""
        text = proof.reveal()
        if len(text) != TEXT_LENGTH or not text.isascii():
            return None
        try:
            content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            return None
        body, mac = content[:-_MAC], content[-_MAC:]
        if not hmac.compare_digest(mac, self._mac(name, body)) or int.from_bytes(body[:_TIME], "big") <= now:
            return None
        return Device(body[_TIME : _TIME + ID_LENGTH], body[_TIME + ID_LENGTH :])

    def belongs(self, device: Device, password_hash: str) -> bool:
        """Return whether the proof was made for this password, and not for an earlier one."""
        return bool(password_hash) and hmac.compare_digest(device.mark, self._mark(password_hash))

    def _mac(self, name: str, body: bytes) -> bytes:
        return hmac.digest(self.key, b"device\0" + person_key(name.strip()).encode() + b"\0" + body, "sha256")

    def _mark(self, password_hash: str) -> bytes:
        return hmac.digest(self.key, b"password\0" + password_hash.encode(), "sha256")[:_MARK]
