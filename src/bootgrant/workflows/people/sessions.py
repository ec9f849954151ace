"""A session begins, is recognised, and ends.

A session is 256 random bits in the browser's cookie; the store has its digest. It ends some time after its last use,
and some time after it began however it is used. What is only half a sign-in ends after minutes.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bootgrant.approval.codes import session_digest
from bootgrant.approval.operators import Actor
from bootgrant.ports.people import Operator, OperatorStore, Session, Stage
from bootgrant.ports.time import Clock, Entropy
from bootgrant.wire.secret import Secret

HALF_LIFETIME: Final = 600.0
"""Seconds to finish a sign-in whose password was right."""

_SEEN_STEP: Final = 60.0
_MOST_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class SessionRules:
    """Seconds: from the last use to the end, from the beginning to the end, and how long a sign-in is fresh."""

    idle: float = 12 * 3600.0
    lifetime: float = 7 * 86400.0
    fresh: float = 15 * 60.0


@dataclass(frozen=True, slots=True)
class Client:
    """Where somebody signs in: their address, and what their browser calls itself."""

    address: str
    browser: str = ""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has not ended, and whose it is."""

    session: Session
    operator: Operator

    @property
    def actor(self) -> Actor:
        return Actor(self.operator.name, self.operator.role, self.operator.labels, self.session.via)


def _not_sealed(_session: Secret) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Every method may raise StoreUnavailable."""

    store: OperatorStore
    clock: Clock
    entropy: Entropy
    rules: SessionRules = SessionRules()

    async def begin(
        self,
        operator: Operator,
        via: str,
        client: Client,
        stage: Stage = Stage.FULL,
        seal: Callable[[Secret], str] = _not_sealed,
        proven_at: float | None = None,
    ) -> Secret:
        """A new session. ``seal`` makes what is kept encrypted with it (ports.people.Session.sealed).

        ``proven_at`` is when the person showed all that a sign-in takes, for a session that takes the place of another.
        """
        now = self.clock.now()
        await self.store.end_sessions_before(now - self.rules.lifetime, now - self.rules.idle)
        secret = Secret(urlsafe_b64encode(self.entropy.random_bytes(32)).rstrip(b"=").decode())
        place = client.address[:_MOST_TEXT], client.browser[:_MOST_TEXT]
        digest = session_digest(secret)
        since = now if proven_at is None else proven_at
        await self.store.open_session(Session(digest, operator.name, now, now, since, via, stage, *place, seal(secret)))
        return secret

    async def who(self, session: Secret, *, present: bool = True) -> SignedIn | None:
        """Who has this session; None when it has ended. ``present`` False does not keep it from idling out."""
        digest = session_digest(session)
        found = await self.store.find_session(digest)
        if found is None or found[1].disabled_at is not None:
            return None
        stored, now = found[0], self.clock.now()
        if self._has_ended(stored, now):
            return None
        if present and now - stored.seen_at >= _SEEN_STEP:
            await self.store.touch_session(digest, now)
        return SignedIn(*found)

    def is_fresh(self, session: Session) -> bool:
        """Whether the person proved who they are so lately that the most precious things may follow."""
        return self.clock.now() - session.authenticated_at < self.rules.fresh

    async def of(self, name: str) -> Sequence[Session]:
        """One person's sessions that have not ended, the newest first; not those that are half a sign-in."""
        now = self.clock.now()
        found = await self.store.sessions_of(name)
        return [one for one in found if one.stage is Stage.FULL and not self._has_ended(one, now)]

    async def end(self, session: Secret) -> None:
        """End this session; an unknown one is no error."""
        await self.store.end_session(session_digest(session))

    async def end_one_of(self, name: str, digest: bytes) -> bool:
        """End the session with this digest when it is this person's. False when they have no such."""
        own = any(session.digest == digest for session in await self.store.sessions_of(name))
        if own:
            await self.store.end_session(digest)
        return own

    def _has_ended(self, session: Session, now: float) -> bool:
        lifetime = self.rules.lifetime if session.stage is Stage.FULL else HALF_LIFETIME
        return now >= session.created_at + lifetime or now >= session.seen_at + self.rules.idle
