"""Tokens of programs: made and shown once, listed, revoked, and recognised when a program shows one.

A token is ``bootgrant_`` and 256 random bits; the prefix is for the tools that look for secrets where none should be.
One that a person made for themselves is theirs: it never may more than they may at that moment, and it speaks for them.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bootgrant.approval.codes import api_token_digest
from bootgrant.approval.operators import (
    NAME,
    NAME_RULE,
    Actor,
    Kind,
    Label,
    Role,
    lower_role,
    narrowed,
    via_token,
)
from bootgrant.ports.people import ApiToken, ApiTokenStore, Operator, OperatorStore
from bootgrant.ports.time import Clock, Entropy
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.windows import CloseWindows

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
    operators: OperatorStore
    clock: Clock
    entropy: Entropy
    windows: CloseWindows

    async def create(
        self, name: str, role: Role, labels: tuple[Label, ...], lifetime: float, by: Actor
    ) -> NewToken | TokenRefused:
        """A program's token that belongs to nobody. Raises StoreUnavailable, as every method here.

        ``lifetime`` is in seconds.
        """
        return await self._create(name, role, labels, lifetime, str(by), "")

    async def create_own(
        self, name: str, role: Role, labels: tuple[Label, ...], lifetime: float, owner: Operator
    ) -> NewToken | TokenRefused:
        """A token of the person ``owner``, who has just shown who they are: at most what they may themselves."""
        if owner.kind is Kind.BREAK_GLASS:
            return TokenRefused("a break-glass operator has no tokens: sign in as yourself")
        if not owner.role.is_at_least(role):
            return TokenRefused(f"you have the role {owner.role.value}: your token cannot have the role {role.value}")
        limits = narrowed(owner.labels, labels)
        if limits is None or not set(labels) <= set(limits):
            own = ", ".join(map(str, owner.labels))
            return TokenRefused(f"you may decide about machines with {own} only: your token cannot go beyond")
        return await self._create(name, role, limits, lifetime, owner.name, owner.name)

    async def _create(
        self, name: str, role: Role, labels: tuple[Label, ...], lifetime: float, by: str, owner: str
    ) -> NewToken | TokenRefused:
        if not NAME.fullmatch(name):
            return TokenRefused(f"{name!r} cannot be the name of a token: {NAME_RULE}")
        if not 0 < lifetime <= LONGEST:
            return TokenRefused("a token is good for more than no time and at most 366 days")
        secret = Secret(PREFIX + urlsafe_b64encode(self.entropy.random_bytes(32)).rstrip(b"=").decode())
        now = self.clock.now()
        token = ApiToken(name, api_token_digest(secret), role, labels, now, by, now + lifetime, owner=owner)
        if not await self.store.add_token(token):
            return TokenRefused(f"there is a token {name!r} already: revoke it first, or take another name")
        return NewToken(secret, token)

    async def list(self) -> Sequence[ApiToken]:
        """All tokens by name, expired ones too."""
        return await self.store.tokens()

    async def of(self, owner: str) -> Sequence[ApiToken]:
        """One person's tokens by name, expired ones too."""
        return [token for token in await self.store.tokens() if token.owner == owner]

    async def revoke_own(self, owner: str, name: str) -> bool:
        """End one of a person's own tokens. False when they have none of this name."""
        own = any(token.name == name for token in await self.of(owner))
        return own and await self.revoke(name)

    async def revoke(self, name: str) -> bool:
        """End a token at once, with the windows that it armed. False when there is none of this name."""
        removed = await self.store.remove_token(name)
        if removed:
            await self.windows.of_token(name)
        return removed

    async def authenticate(self, shown: Secret) -> Actor | None:
        """Who shows this token; None for one that is unknown, revoked or expired, or whose owner is shut out."""
        if not _FORM.fullmatch(shown.reveal()):
            return None
        token, now = await self.store.find_token(api_token_digest(shown)), self.clock.now()
        if token is None or now >= token.expires_at:
            return None
        rights = await self._rights(token)
        if rights is None:
            return None
        if token.used_at is None or now - token.used_at >= _SEEN_STEP:
            await self.store.touch_token(token.digest, now)
        role, labels = rights
        return Actor(token.name, role, labels, via_token(token.name), token.owner)

    async def _rights(self, token: ApiToken) -> tuple[Role, tuple[Label, ...]] | None:
        """What a token may now: what was written into it, and of that only what its owner still may."""
        if not token.owner:
            return token.role, token.labels
        owner = await self.operators.find_operator(token.owner)
        if owner is None or owner.disabled_at is not None:
            return None
        labels = narrowed(token.labels, owner.labels)
        return None if labels is None else (lower_role(token.role, owner.role), labels)
