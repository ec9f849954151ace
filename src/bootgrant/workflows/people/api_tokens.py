"""API tokens for programs: created and shown once, listed, revoked, and authenticated.

A token is ``bootgrant_`` and 256 random bits; the prefix lets secret scanners find it. A person's own token acts for
them, and never has more rights than they have at that moment.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from bootgrant.approval.codes import api_token_digest
from bootgrant.approval.operators import (
    NAME,
    NAME_RULE,
    Actor,
    Kind,
    Label,
    Refused,
    Role,
    common_role,
    narrowed,
    via_token,
)
from bootgrant.ports.people import ApiToken, ApiTokenStore, Operator, OperatorStore
from bootgrant.ports.time import Clock, Entropy
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.lost_rights import LostRights
from bootgrant.workflows.record.audit import Change, token_changed

PREFIX: Final = "bootgrant_"
LONGEST: Final = 366 * 86400.0
"""Longest lifetime of a token, in seconds."""

_FORM: Final = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
_SEEN_STEP: Final = 60.0
_BAD_LIFETIME: Final = Refused("a token's lifetime must be between 1 second and 366 days")


@dataclass(frozen=True, slots=True)
class NewToken:
    """``secret`` is shown once and stored nowhere."""

    secret: Secret
    token: ApiToken


@dataclass(frozen=True, slots=True)
class ApiTokens:
    """Every method may raise StoreUnavailable."""

    store: ApiTokenStore
    operators: OperatorStore
    clock: Clock
    entropy: Entropy
    lost: LostRights

    async def create(
        self, name: str, role: Role, labels: tuple[Label, ...], lifetime: float, by: Actor
    ) -> NewToken | Refused:
        """Create a token without an owner; ``lifetime`` is in seconds."""
        return await self._create(ApiToken(name, b"", role, labels, 0, str(by), lifetime), by)

    async def create_own(
        self,
        name: str,
        role: Role,
        labels: tuple[Label, ...],
        lifetime: float,
        owner: Operator,
        via: str,
        reason: str = "",
    ) -> NewToken | Refused:
        """Create a token of ``owner`` with at most their own rights; the caller has required a fresh sign-in.

        ``via`` is how they signed in, ``reason`` what it is for, if that is known.
        """
        limits = own_limits(owner, role, labels, lifetime)
        if isinstance(limits, Refused):
            return limits
        by = Actor(owner.name, owner.role, owner.labels, via)
        wanted = ApiToken(name, b"", role, limits, 0, owner.name, lifetime, owner=owner.name)
        return await self._create(wanted, by, reason)

    async def _create(self, wanted: ApiToken, by: Actor, reason: str = "") -> NewToken | Refused:
        """Create the token that is ``wanted``, for the seconds that its ``expires_at`` says."""
        if not NAME.fullmatch(wanted.name):
            return Refused(f"{wanted.name!r} cannot be the name of a token: {NAME_RULE}")
        if not 0 < wanted.expires_at <= LONGEST:
            return _BAD_LIFETIME
        secret = Secret(PREFIX + urlsafe_b64encode(self.entropy.random_bytes(32)).rstrip(b"=").decode())
        now = self.clock.now()
        digest = api_token_digest(secret)
        token = replace(wanted, digest=digest, created_at=now, expires_at=now + wanted.expires_at)
        done = f"created with the role {token.role.value}{', for themselves' if token.owner else ''}"
        change = Change(now, by, done, reason)
        if not await self.store.add_token(token, token_changed(change, token.name, None, token)):
            return Refused(f"the token {token.name!r} exists already: revoke it first, or choose another name")
        return NewToken(secret, token)

    async def named(self, name: str) -> ApiToken | None:
        """Return the token of this name, also if it has expired."""
        return next((token for token in await self.store.tokens() if token.name == name), None)

    async def of(self, owner: str) -> Sequence[ApiToken]:
        """Return the tokens of a person by name, including expired ones."""
        return [token for token in await self.store.tokens() if token.owner == owner]

    async def revoke_own(self, by: Actor, name: str) -> bool:
        """Revoke a person's own token. Return False when they have none of this name."""
        found = await self.named(name)
        if found is None:
            await self.lost.of_token(name)
            return False
        return found.owner == by.name and await self.revoke(name, by)

    async def revoke(self, name: str, by: Actor, reason: str = "") -> bool:
        """Revoke a token. Its windows close, and its votes and undelivered approvals become void.

        Return False when none has this name. They end then too: the server may have stopped right after the token was
        removed.
        """
        change = Change(self.clock.now(), by, "revoked", reason)
        removed = await self.store.remove_token(name, lambda before: token_changed(change, name, before, None))
        await self.lost.of_token(name)
        return removed

    async def authenticate(self, presented: Secret) -> Actor | None:
        """Return the actor with this token; None when it is unknown, revoked or expired, or its owner is disabled."""
        if not _FORM.fullmatch(presented.reveal()):
            return None
        token, now = await self.store.find_token(api_token_digest(presented)), self.clock.now()
        if token is None or now >= token.expires_at:
            return None
        actor = await self._actor(token)
        if actor is None:
            return None
        if token.used_at is None or now - token.used_at >= _SEEN_STEP:
            await self.store.touch_token(token.digest, now)
        return actor

    async def _actor(self, token: ApiToken) -> Actor | None:
        """Return who acts with a token: with its own rights, limited to those that its owner still has."""
        acting = Actor(token.name, token.role, token.labels, via_token(token.name), token.owner)
        if not token.owner:
            return acting
        owner = await self.operators.find_operator(token.owner)
        if owner is None or owner.disabled_at is not None:
            return None
        labels = narrowed(token.labels, owner.labels)
        if labels is None:
            return None
        role, limit = common_role(token.role, owner.role)
        return replace(acting, role=role, labels=labels, limit=limit)


def own_limits(owner: Operator, role: Role, labels: tuple[Label, ...], lifetime: float) -> tuple[Label, ...] | Refused:
    """Return the limits of a token that ``owner`` may create for themselves, or why they may not."""
    if owner.kind is Kind.BREAK_GLASS:
        return Refused("a break-glass operator cannot have tokens: sign in as yourself")
    if not owner.role.includes(role):
        return Refused(f"your role is {owner.role.value}, so your token cannot have the role {role.value}")
    limits = narrowed(owner.labels, labels)
    if limits is None or not set(labels) <= set(limits):
        own = ", ".join(map(str, owner.labels))
        return Refused(f"you may only decide about machines with {own}, and so may your token")
    return limits if 0 < lifetime <= LONGEST else _BAD_LIFETIME
