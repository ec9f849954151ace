"""Tokens of programs: made and shown once, listed, revoked, and recognised when a program shows one.

A token is ``bootgrant_`` and 256 random bits; the prefix is for the tools that look for secrets where none should be.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bootgrant.approval.codes import api_token_digest
from bootgrant.approval.operators import NAME, NAME_RULE, VIA_ADMIN_SOCKET, Actor, Label, Role, via_token
from bootgrant.ports.api_token_store import ApiToken, ApiTokenStore
from bootgrant.ports.clock import Clock
from bootgrant.ports.entropy import Entropy
from bootgrant.wire.secret import Secret
from bootgrant.workflows.close_windows import CloseWindows

PREFIX: Final = "bootgrant_"
LONGEST: Final = 366 * 86400.0
"""Seconds that a token may be good for."""

_FORM: Final = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_SEEN_STEP: Final = 60.0


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """Why no token was made; ``message`` says what to do."""

    message: str


@dataclass(frozen=True, slots=True)
class NewToken:
    """``secret`` is shown once and kept nowhere."""

    secret: Secret
    token: ApiToken


@dataclass(frozen=True, slots=True)
class ApiTokens:
    store: ApiTokenStore
    clock: Clock
    entropy: Entropy
    windows: CloseWindows

    async def create(
        self, name: str, role: Role, labels: tuple[Label, ...], lifetime: float, by: Actor
    ) -> NewToken | TokenRefused:
        """A token that is good for ``lifetime`` seconds. Raises StoreUnavailable, as every method here."""
        if not NAME.fullmatch(name):
            return TokenRefused(f"{name!r} cannot be the name of a token: {NAME_RULE}")
        if not 0 < lifetime <= LONGEST:
            return TokenRefused("a token is good for more than no time and at most 366 days")
        secret = Secret(PREFIX + urlsafe_b64encode(self.entropy.random_bytes(32)).rstrip(b"=").decode())
        now = self.clock.now()
        token = ApiToken(name, api_token_digest(secret), role, labels, now, str(by), now + lifetime)
        if not await self.store.add_token(token):
            return TokenRefused(f"there is a token {name!r} already: revoke it first, or take another name")
        return NewToken(secret, token)

    async def list(self) -> Sequence[ApiToken]:
        """All tokens by name, expired ones too."""
        return await self.store.tokens()

    async def revoke(self, name: str) -> bool:
        """End a token at once, with the windows that it armed. False when there is none of this name."""
        removed = await self.store.remove_token(name)
        if removed:
            await self.windows.of_token(name)
        return removed

    async def authenticate(self, shown: Secret) -> Actor | None:
        """Who shows this token; None for one that is unknown, revoked or expired."""
        if not _FORM.fullmatch(shown.reveal()):
            return None
        token, now = await self.store.find_token(api_token_digest(shown)), self.clock.now()
        if token is None or now >= token.expires_at:
            return None
        if token.used_at is None or now - token.used_at >= _SEEN_STEP:
            await self.store.touch_token(token.digest, now)
        return Actor(token.name, token.role, token.labels, via_token(token.name), _owner(token.created_by))


def _owner(created_by: str) -> str:
    """The operator who answers for a token; empty when it was made where nobody signs in (the admin socket)."""
    name, _, via = created_by.partition(" (")
    return "" if via.startswith((VIA_ADMIN_SOCKET, "token:")) else name
