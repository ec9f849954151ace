"""Sessions, signing in with a password, and changing one's own password.

A session is 256 random bits in the browser's cookie; the store has its digest. It ends some time after its last use,
and at the latest some time after it began. A sign-in that still lacks its second factor ends after minutes.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from bootgrant.approval.codes import session_digest
from bootgrant.approval.operators import VIA_BREAK_GLASS, VIA_SESSION, Actor, Kind
from bootgrant.ports.people import Operator, OperatorStore, PasskeyStore, PasswordHasher, Session, Stage
from bootgrant.ports.time import Clock, Entropy
from bootgrant.wire.secret import Secret
from bootgrant.workflows.limits.rates import AttemptLimit, WhenFull, address_key, name_key
from bootgrant.workflows.people.manage_operators import password_problem

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


_MOST_AT_ONCE: Final = 16


class SecondFactor(Enum):
    """Whether a password alone opens the pages (setting ``operators.second_factor``)."""

    OFF = "off"
    REQUIRED = "required"


class NotSignedIn(Enum):
    """Why there is no session. A wrong name, a wrong password and somebody shut out are one answer."""

    WRONG = "wrong name or password"
    TOO_MANY = "too many attempts"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class SignInRefused:
    """``wait`` is the seconds before another attempt is looked at.

    ``name`` is the operator's whose name was given; empty when there is none of it, or nobody looked.
    """

    why: NotSignedIn
    wait: float = 0.0
    name: str = ""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A new session; only stage FULL opens the pages. ``via`` is as in approval.operators.Actor."""

    session: Secret
    stage: Stage
    operator: Operator
    via: str


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


@dataclass(slots=True)
class SignIn:
    operators: OperatorStore
    passkeys: PasskeyStore
    sessions: Sessions
    hasher: PasswordHasher
    entropy: Entropy
    second_factor: SecondFactor = SecondFactor.OFF
    by_address: AttemptLimit = field(default_factory=_by_address)
    by_name: AttemptLimit = field(default_factory=_by_name)
    _work: _Work = field(default_factory=_Work)

    def count_attempt(self, address: str) -> float:
        """Count an attempt of this address that names nobody: 0.0, or the seconds to wait before the next."""
        return self.by_address.attempt(address_key(address), self.sessions.clock.steady())

    async def sign_in(self, name: str, password: Secret, client: Client) -> NewSession | SignInRefused:
        """A new session for the operator of this name and password. Raises StoreUnavailable."""
        operator = await self.check_password(name, password, client)
        if isinstance(operator, SignInRefused):
            return operator
        stage = await self._stage(operator)
        via = VIA_BREAK_GLASS if operator.kind is Kind.BREAK_GLASS else VIA_SESSION
        return NewSession(await self.sessions.begin(operator, via, client, stage), stage, operator, via)

    async def check_password(self, name: str, password: Secret, client: Client) -> Operator | SignInRefused:
        """The operator of this name and password; every look counts as an attempt. Raises StoreUnavailable."""
        steady = self.sessions.clock.steady()
        wait = self.count_attempt(client.address) or self.by_name.attempt(name_key(name), steady)
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
        if operator is None or not right or operator.disabled_at is not None:
            return SignInRefused(NotSignedIn.WRONG, name=operator.name if operator else "")
        return operator

    async def _is_right(self, operator: Operator | None, password: Secret) -> bool:
        """An unknown name, and one without a password, cost the same time as a wrong password."""
        if operator is not None and operator.password_hash:
            return await self.hasher.verify(operator.password_hash, password)
        if not self._work.nobody:
            self._work.nobody = await self.hasher.hash(Secret(self.entropy.random_bytes(32).hex()))
        await self.hasher.verify(self._work.nobody, password)
        return False

    async def _stage(self, operator: Operator) -> Stage:
        """A break-glass password is long, random and kept in a safe: it must open when nothing else is at hand."""
        if self.second_factor is SecondFactor.OFF or operator.kind is Kind.BREAK_GLASS:
            return Stage.FULL
        known = await self.passkeys.passkeys_of(operator.name)
        return Stage.SECOND_FACTOR if known else Stage.ENROLMENT


@dataclass(frozen=True, slots=True)
class PasswordRefused:
    """Why the password stays as it is; ``message`` says what to do."""

    message: str


@dataclass(frozen=True, slots=True)
class OwnPassword:
    sign_in: SignIn

    async def change(
        self, who: SignedIn, old: Secret, new: Secret, client: Client
    ) -> NewSession | SignInRefused | PasswordRefused:
        """Take ``new`` when ``old`` is right; all sessions of this person end, and a new one begins here.

        Looking at ``old`` counts as an attempt to sign in, and makes no session fresher: a passkey may belong to that.
        Raises StoreUnavailable.
        """
        operator = who.operator
        if operator.kind is not Kind.LOCAL:
            return PasswordRefused("your password is not kept here, or is kept in a safe: an admin changes it")
        if problem := password_problem(new):
            return PasswordRefused(problem)
        looked = await self.sign_in.check_password(operator.name, old, client)
        if isinstance(looked, SignInRefused):
            return looked
        sessions, via = self.sign_in.sessions, who.session.via
        await self.sign_in.operators.set_password(operator.name, await self.sign_in.hasher.hash(new))
        session = await sessions.begin(operator, via, client, proven_at=who.session.authenticated_at)
        return NewSession(session, Stage.FULL, operator, via)
