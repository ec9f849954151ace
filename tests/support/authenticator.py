"""Chromium's virtual authenticator, which answers at once (WebAuthn section 11, over CDP)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import CDPSession, Page


@dataclass(frozen=True, slots=True)
class Authenticator:
    """A passkey device of the person at a page."""

    session: CDPSession
    number: str

    def credentials(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._send("getCredentials")["credentials"]
        return found

    def knows_its_user(self, knows: bool) -> None:
        """Set whether the device recognises its user by PIN or fingerprint."""
        self._send("setUserVerified", isUserVerified=knows)

    def turn_the_count_back(self) -> None:
        """Make the device look like a copy: the same key with an older count."""
        (credential,) = self.credentials()
        self._send("removeCredential", credentialId=credential["credentialId"])
        self._send("addCredential", credential={**credential, "signCount": 1})

    def forget(self) -> None:
        self._send("clearCredentials")

    def _send(self, command: str, **parameters: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.session.send(
            f"WebAuthn.{command}", {"authenticatorId": self.number, **parameters}
        )
        return answer


def plugged_into(page: Page) -> Authenticator:
    """Add a device like a phone: it stores passkeys and recognises its user."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable", {"enableUI": False})
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return Authenticator(session, made["authenticatorId"])
