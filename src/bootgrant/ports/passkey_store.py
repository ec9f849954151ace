"""Where passkeys (WebAuthn public key credentials) live. Nothing in them is secret."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bootgrant.ports.operator_store import Operator


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey of one operator. Times are Unix seconds.

    ``handle`` is the random user handle that it was made for (WebAuthn section 5.4.3); all passkeys of one operator
    have the same. ``public_key`` is COSE as the authenticator gave it; ``sign_count`` is the last one it showed.
    """

    credential_id: bytes
    operator: str
    handle: bytes
    public_key: bytes
    sign_count: int
    name: str
    created_at: float
    used_at: float | None = None


class PasskeyStore(Protocol):
    """Every method may raise StoreUnavailable (ports.grant_store)."""

    async def add_passkey(self, passkey: Passkey) -> bool:
        """False when this credential is registered already, whoever has it."""

    async def passkeys_of(self, operator: str) -> Sequence[Passkey]:
        """One person's, the oldest first."""

    async def find_passkey(self, credential_id: bytes) -> tuple[Passkey, Operator] | None: ...

    async def use_passkey(self, passkey: Passkey, sign_count: int, used_at: float) -> bool:
        """It was used, with this new count. False when its count is no longer the one in ``passkey``."""

    async def remove_passkey(self, operator: str, credential_id: bytes) -> bool:
        """Forget one passkey of this operator. False when they have no such."""

    async def remove_passkeys(self, operator: str) -> None:
        """Forget all passkeys of an operator."""
