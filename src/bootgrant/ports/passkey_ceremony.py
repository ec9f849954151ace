"""What passkeys are made and checked with: WebAuthn's ceremonies, for one relying party."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bootgrant.ports.passkey_store import Passkey


@dataclass(frozen=True, slots=True)
class ShownPasskey:
    """What an answer claims before it is checked. ``handle`` is empty when the authenticator told none."""

    challenge: bytes
    credential_id: bytes
    handle: bytes


@dataclass(frozen=True, slots=True)
class MadePasskey:
    """A credential whose registration was checked."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


class PasskeyCeremony(Protocol):
    """Options and answers are JSON as in WebAuthn Level 3 (PublicKeyCredential…OptionsJSON, …ResponseJSON)."""

    def ask_to_make(self, challenge: bytes, handle: bytes, name: str, known: Sequence[bytes]) -> str:
        """Options to make a passkey for ``name``; authenticators that have one of ``known`` refuse."""

    def ask_to_show(self, challenge: bytes, known: Sequence[bytes], *, verified: bool) -> str:
        """Options to show one of ``known``, or (none) any that the authenticator finds for this site.

        ``verified``: the authenticator must know its user (a PIN, a finger), not only that somebody touched it.
        """

    def challenge_of(self, answer: str) -> bytes | None:
        """The challenge that an answer is to; None for what is no answer."""

    def made(self, answer: str, challenge: bytes) -> MadePasskey | None:
        """The new credential; None when the answer is wrong (WebAuthn section 7.1)."""

    def shown(self, answer: str) -> ShownPasskey | None:
        """What the answer claims; None for what is no answer."""

    def check(self, answer: str, challenge: bytes, passkey: Passkey, *, verified: bool) -> int | None:
        """The authenticator's new count; None when the answer is wrong or the count went back (section 7.2)."""
