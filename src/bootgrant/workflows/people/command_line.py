"""``bootgrant login``: a command line gets an API token of a person, who approves it in a browser (RFC 8628).

The token is made when the command line takes it, so no store ever has it, and the person's rights count as they are at
that moment. A decided login is taken once: when the answer is lost, the person logs in again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from bootgrant.approval.codes import device_code
from bootgrant.approval.login_codes import LoginCodes, login_code, login_secret_digest
from bootgrant.approval.operators import Actor, Label, Refused, Role
from bootgrant.ports.logins import Consent, DecidedLogin, LoginStore, PendingLogin, Unfinished
from bootgrant.ports.people import Operator
from bootgrant.ports.time import Clock, Entropy
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.api_tokens import ApiTokens, NewToken, own_limits

log = logging.getLogger("bootgrant.operators")

LIFETIME: Final = 600.0
"""Seconds for which a login code can be typed."""
INTERVAL: Final = 5
"""Seconds between two polls of a command line."""
USUAL: Final = 12 * 3600.0
"""Seconds that a token is valid when the command line asks for nothing else."""
MOST: Final = 1000
"""Logins that wait at a time, so that strangers cannot fill the database."""
LONGEST_NAME: Final = 64
"""Characters that are kept of a host's and a user's name."""

_PREFIX: Final = "login-"
_KEPT: Final = 7 * 86400.0
"""Seconds after its end for which the token of an earlier login stays in the list."""
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a command line asks for. ``host`` and ``user`` are its own words, ``address`` is where it asks from."""

    host: str
    user: str
    address: str
    role: Role = Role.VIEWER
    labels: tuple[Label, ...] = ()
    seconds: float = USUAL


@dataclass(frozen=True, slots=True)
class BegunLogin:
    """``secret`` is the device code, which only the command line knows; ``digits`` is the code that a person types."""

    secret: Secret
    digits: str


class NoToken(Enum):
    """Why a poll brings no token."""

    WAITING = "the person has not decided yet"
    EXPIRED = "the code has expired"
    DENIED = "the person denied it, or may not have such a token any more"
    UNKNOWN = "this device code is unknown, or was used already"


_UNFINISHED: Final[Mapping[Unfinished, NoToken]] = {
    Unfinished.WAITING: NoToken.WAITING,
    Unfinished.EXPIRED: NoToken.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class CommandLineLogins:
    """Every method may raise StoreUnavailable."""

    store: LoginStore
    tokens: ApiTokens
    codes: LoginCodes
    clock: Clock
    entropy: Entropy

    async def begin(self, wishes: Wishes) -> BegunLogin | None:
        """Begin a login. Return None when too many wait already."""
        secret, digits = device_code(self.entropy.random_bytes(32)), login_code(self.entropy.random_bytes(8))
        now = self.clock.now()
        login = PendingLogin(
            login_secret_digest(secret),
            self.codes.digest(digits),
            _cut(wishes.host),
            _cut(wishes.user),
            wishes.address,
            now,
            now + LIFETIME,
            wishes.role,
            wishes.labels,
            wishes.seconds,
        )
        return BegunLogin(secret, digits) if await self.store.add_login(login, now, MOST) else None

    async def find(self, digits: str) -> PendingLogin | None:
        """Return the login that waits with this code."""
        return await self.store.find_login(self.codes.digest(digits), self.clock.now())

    async def approve(
        self, digits: str, role: Role, labels: tuple[Label, ...], seconds: float, owner: Operator, via: str
    ) -> bool | Refused:
        """Let the command line have a token of ``owner``, who has signed in recently; ``via`` is how.

        Return False when the login does not wait any more.
        """
        limits = own_limits(owner, role, labels, seconds)
        if isinstance(limits, Refused):
            return limits
        consent = Consent(owner.name, via, role, limits, seconds)
        return await self.store.decide_login(self.codes.digest(digits), consent, self.clock.now())

    async def deny(self, digits: str) -> bool:
        """Deny a login. Return False when it does not wait any more."""
        return await self.store.decide_login(self.codes.digest(digits), None, self.clock.now())

    async def take(self, secret: Secret) -> NewToken | NoToken:
        """Return the token of an approved login, once."""
        found = await self.store.take_login(login_secret_digest(secret), self.clock.now())
        if isinstance(found, DecidedLogin):
            return await self._token(found.login, found.consent)
        return NoToken.UNKNOWN if found is None else _UNFINISHED[found]

    async def _token(self, login: PendingLogin, consent: Consent | None) -> NewToken | NoToken:
        owner = await self.tokens.operators.find_operator(consent.operator) if consent else None
        if consent is None or owner is None or owner.disabled_at is not None:
            return NoToken.DENIED
        await self._forget_old(owner, consent.via)
        reason = f"bootgrant login on {login.host!a} by {login.user!a} from {login.address}"
        made = await self.tokens.create_own(
            self._name(login), consent.role, consent.labels, consent.seconds, owner, consent.via, reason
        )
        if isinstance(made, Refused):
            log.warning("no token for the login of %r: %s", owner.name, made.message)
            return NoToken.DENIED
        log.info("%r logged in a command line from %s: token %s", owner.name, login.address, made.token.name)
        return made

    def _name(self, login: PendingLogin) -> str:
        """Return a new name for a token, from what the host calls itself."""
        host = _NOT_IN_NAMES.sub("-", login.host)[:32].strip("-.") or "unknown"
        return f"{_PREFIX}{host}-{self.entropy.random_bytes(4).hex()}"

    async def _forget_old(self, owner: Operator, via: str) -> None:
        """Remove the tokens of earlier logins that expired some days ago."""
        by, before = Actor(owner.name, owner.role, owner.labels, via), self.clock.now() - _KEPT
        for token in await self.tokens.of(owner.name):
            if token.name.startswith(_PREFIX) and token.expires_at < before:
                await self.tokens.revoke(token.name, by, "expired")


def _cut(name: str) -> str:
    return name.strip()[:LONGEST_NAME]
