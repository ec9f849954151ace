"""A person signs in, is recognised, and signs out.

A session is 256 random bits in the browser's cookie; the store has its digest. It ends 12 hours after its last use and
7 days after it began, whatever comes first.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from bootgrant.approval.codes import session_digest
from bootgrant.ports.clock import Clock
from bootgrant.ports.entropy import Entropy
from bootgrant.ports.operator_store import Operator, OperatorStore, Session
from bootgrant.ports.password_hasher import PasswordHasher
from bootgrant.wire.secret import Secret
from bootgrant.workflows.attempts import AttemptLimit, WhenFull, address_key, name_key

SESSION_IDLE: Final = 12 * 3600.0
SESSION_LIFETIME: Final = 7 * 86400.0
"""Seconds."""

_SEEN_STEP: Final = 60.0
_MOST_AT_ONCE: Final = 16


class NotSignedIn(Enum):
    """Why there is no session. A wrong name and a wrong password are one answer."""

    WRONG = "wrong name or password"
    TOO_MANY = "too many attempts"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class SignInRefused:
    """``wait`` is the seconds before another attempt is looked at."""

    why: NotSignedIn
    wait: float = 0.0


def _by_address() -> AttemptLimit:
    return AttemptLimit(burst=10, every=30.0, when_full=WhenFull.REFUSE)


def _by_name() -> AttemptLimit:
    # Twice as fast as one address may be: a stranger at one address cannot lock a person out.
    return AttemptLimit(burst=20, every=15.0, when_full=WhenFull.REFUSE)


@dataclass(slots=True)
class _Work:
    """Passwords being looked at, and a hash that nobody's password has."""

    running: int = 0
    nobody: str = ""


@dataclass(frozen=True, slots=True)
class SignIn:
    operators: OperatorStore
    hasher: PasswordHasher
    clock: Clock
    entropy: Entropy
    by_address: AttemptLimit = field(default_factory=_by_address)
    by_name: AttemptLimit = field(default_factory=_by_name)
    _work: _Work = field(default_factory=_Work)

    async def sign_in(self, name: str, password: Secret, address: str) -> Secret | SignInRefused:
        """A new session for the operator of this name and password. Raises StoreUnavailable."""
        now = self.clock.steady()
        wait = self.by_address.attempt(address_key(address), now) or self.by_name.attempt(name_key(name), now)
        if wait:
            return SignInRefused(NotSignedIn.TOO_MANY, wait)
        if self._work.running >= _MOST_AT_ONCE:
            return SignInRefused(NotSignedIn.BUSY, 2.0)
        self._work.running += 1
        try:
            operator = await self.operators.find_operator(name.strip())
            right = await self._is_right(operator, password)
        finally:
            self._work.running -= 1
        return await self._open(operator) if operator and right else SignInRefused(NotSignedIn.WRONG)

    async def who(self, session: Secret, *, present: bool = True) -> str | None:
        """The operator of a session that has not ended. ``present`` False does not keep it from idling out."""
        digest = session_digest(session)
        found = await self.operators.find_session(digest)
        now = self.clock.now()
        if found is None or now >= found.created_at + SESSION_LIFETIME or now >= found.seen_at + SESSION_IDLE:
            return None
        if present and now - found.seen_at >= _SEEN_STEP:
            await self.operators.touch_session(digest, now)
        return found.operator

    async def sign_out(self, session: Secret) -> None:
        """End this session; an unknown one is no error."""
        await self.operators.end_session(session_digest(session))

    async def _is_right(self, operator: Operator | None, password: Secret) -> bool:
        """An unknown name costs the same time as a wrong password."""
        if operator is not None:
            return await self.hasher.verify(operator.password_hash, password)
        if not self._work.nobody:
            self._work.nobody = await self.hasher.hash(Secret(self.entropy.random_bytes(32).hex()))
        await self.hasher.verify(self._work.nobody, password)
        return False

    async def _open(self, operator: Operator) -> Secret:
        now = self.clock.now()
        await self.operators.end_sessions_before(now - SESSION_LIFETIME, now - SESSION_IDLE)
        session = Secret(urlsafe_b64encode(self.entropy.random_bytes(32)).rstrip(b"=").decode())
        await self.operators.open_session(Session(session_digest(session), operator.name, now, now))
        return session
