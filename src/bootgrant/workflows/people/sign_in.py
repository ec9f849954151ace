"""Sessions, signing in with a password, and changing one's own password.

A session is 256 random bits in the browser's cookie; the store has its digest. It ends some time after its last use,
and at the latest some time after it began. A sign-in that still lacks its second factor ends after minutes.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from bootgrant.approval.codes import session_digest
from bootgrant.approval.operators import VIA_BREAK_GLASS, VIA_SESSION, Actor, Kind, Refused
from bootgrant.ports.people import AtProvider, Operator, OperatorStore, PasskeyStore, PasswordHasher, Session, Stage
from bootgrant.ports.time import Clock, Entropy
from bootgrant.wire.secret import Secret
from bootgrant.workflows.limits.rates import AttemptLimit, WhenFull, address_key, name_key
from bootgrant.workflows.people.known_places import KnownPlaces
from bootgrant.workflows.people.manage_operators import password_problem
from bootgrant.workflows.people.sign_in_rules import SecondFactor, SessionRules

HALF_LIFETIME: Final = 600.0
"""Seconds to finish a sign-in whose password was right."""

_SEEN_STEP: Final = 60.0
_MOST_TEXT: Final = 200


@dataclass(frozen=True, slots=True)
class Client:
    """Where a person signs in: their address, their browser's User-Agent, and its proof of an earlier sign-in."""

    address: str
    browser: str = ""
    device: Secret | None = None


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has not ended, and its operator."""

    session: Session
    operator: Operator

    @property
    def actor(self) -> Actor:
        return Actor(self.operator.name, self.operator.role, self.operator.labels, self.session.via)


_NO_PROVIDER: Final = AtProvider()


def _not_sealed(_session: Secret) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Sessions:
    """Every method may raise StoreUnavailable."""

    store: OperatorStore
    clock: Clock
    entropy: Entropy
    rules: SessionRules = field(default_factory=SessionRules)

    async def begin(
        self,
        operator: Operator,
        via: str,
        client: Client,
        stage: Stage = Stage.FULL,
        seal: Callable[[Secret], str] = _not_sealed,
        proven_at: float | None = None,
        at_provider: AtProvider = _NO_PROVIDER,
    ) -> Secret:
        """Begin a session. ``seal`` returns what is stored encrypted with it (ports.people.Session.sealed).

        ``proven_at`` is when the person last proved who they are, for a session that replaces another. ``at_provider``
        is the provider's session, for one that began there.
        """
        now = self.clock.now()
        await self.store.end_sessions_before(now - self.rules.lifetime, now - self.rules.idle)
        secret = Secret(urlsafe_b64encode(self.entropy.random_bytes(32)).rstrip(b"=").decode())
        place = client.address[:_MOST_TEXT], client.browser[:_MOST_TEXT]
        digest = session_digest(secret)
        since = now if proven_at is None else proven_at
        session = Session(digest, operator.name, now, now, since, via, stage, *place, seal(secret))
        await self.store.open_session(
            replace(
                session,
                provider_session=at_provider.session_id,
                renewal=at_provider.renewal,
                renewal_until=at_provider.renewal_until,
                checked_at=now,
            )
        )
        return secret

    async def who(self, session: Secret, *, present: bool = True) -> SignedIn | None:
        """Return the session and its operator; None when it has ended. Only ``present`` counts as a use of it."""
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
        """Return whether the person proved who they are recently enough for the most sensitive actions."""
        return self.clock.now() - session.authenticated_at < self.rules.fresh

    async def of(self, name: str) -> Sequence[Session]:
        """Return the operator's sessions that have not ended, newest first, without incomplete sign-ins."""
        now = self.clock.now()
        found = await self.store.sessions_of(name)
        return [session for session in found if session.stage is Stage.FULL and not self._has_ended(session, now)]

    async def end(self, session: Secret) -> None:
        """End this session. An unknown one is not an error."""
        await self.store.end_session(session_digest(session))

    async def end_one_of(self, name: str, digest: bytes) -> bool:
        """End the operator's session with this digest. Return False when they have none."""
        own = any(session.digest == digest for session in await self.store.sessions_of(name))
        if own:
            await self.store.end_session(digest)
        return own

    def _has_ended(self, session: Session, now: float) -> bool:
        lifetime = self.rules.lifetime if session.stage is Stage.FULL else HALF_LIFETIME
        return now >= session.created_at + lifetime or now >= session.seen_at + self.rules.idle


_MOST_AT_ONCE: Final = 16
"""Passwords that are checked at once for strangers; the others are asked to come back."""
_MOST_KNOWN_AT_ONCE: Final = 8
"""The same for known browsers and addresses, whatever strangers do."""


class NotSignedIn(Enum):
    """Why there is no session. A wrong name, a wrong password and a disabled operator get the same answer."""

    WRONG = "wrong name or password"
    TOO_MANY = "too many attempts"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class SignInRefused:
    """``wait`` is the seconds until the next attempt is accepted.

    ``name`` is the name of the operator that was tried; empty when there is none, or the attempt was not checked.
    """

    why: NotSignedIn
    wait: float = 0.0
    name: str = ""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A new session; only stage FULL opens the pages. ``via`` is as in approval.operators.Author."""

    session: Secret
    stage: Stage
    operator: Operator
    via: str


def _by_address() -> AttemptLimit:
    return AttemptLimit(burst=10, every=30.0, when_full=WhenFull.REFUSE)


def _by_name() -> AttemptLimit:
    # Twice the rate of an address, so that a stranger at one address cannot lock a person out.
    return AttemptLimit(burst=20, every=15.0, when_full=WhenFull.REFUSE)


@dataclass(slots=True)
class SignIn:
    """Signing in with a password. Every method may raise StoreUnavailable.

    Strangers share the attempts of a name. A browser or an address that the operator has used before has its own, so
    nobody can keep out the right password by guessing wrong ones.
    """

    operators: OperatorStore
    passkeys: PasskeyStore
    sessions: Sessions
    hasher: PasswordHasher
    entropy: Entropy
    known: KnownPlaces
    second_factor: SecondFactor = SecondFactor.OFF
    by_address: AttemptLimit = field(default_factory=_by_address)
    by_name: AttemptLimit = field(default_factory=_by_name)
    _running: Counter[bool] = field(default_factory=Counter)
    """Passwords that are being checked: for known places, and for strangers."""
    _unused_hash: str = ""
    """A hash that no password has."""

    async def sign_in(self, name: str, password: Secret, client: Client) -> NewSession | SignInRefused:
        """Begin a session for the operator with this name and password."""
        operator = await self.check_password(name, password, client)
        if isinstance(operator, SignInRefused):
            return operator
        stage = await self._stage(operator)
        via = VIA_BREAK_GLASS if operator.kind is Kind.BREAK_GLASS else VIA_SESSION
        return NewSession(await self.sessions.begin(operator, via, client, stage), stage, operator, via)

    async def check_password(self, name: str, password: Secret, client: Client) -> Operator | SignInRefused:
        """Return the operator with this name and password. Every call counts as an attempt."""
        is_known = await self._admit(name, client)
        if isinstance(is_known, SignInRefused):
            return is_known
        self._running[is_known] += 1
        try:
            operator = await self.operators.find_operator(name.strip())
            right = await self._is_right(operator, password)
        finally:
            self._running[is_known] -= 1
        if operator is None or not right or operator.disabled_at is not None:
            return SignInRefused(NotSignedIn.WRONG, name=operator.name if operator else "")
        return operator

    async def _admit(self, name: str, client: Client) -> bool | SignInRefused:
        """Count an attempt. Return whether it comes from a known place, or why it is refused.

        A known place that has used up its own attempts is treated as a stranger, never worse.
        """
        if await self.known.attempt_from_device(client.device, name):
            return self._if_not_busy(is_known=True)
        steady = self.sessions.clock.steady()
        if wait := self.by_address.attempt(address_key(client.address), steady):
            return SignInRefused(NotSignedIn.TOO_MANY, wait)
        wait = self.by_name.attempt(name_key(name), steady)
        is_stranger_refused = wait or self._running[False] >= _MOST_AT_ONCE
        if is_stranger_refused and await self.known.attempt_from_address(client.address, name):
            return self._if_not_busy(is_known=True)
        return SignInRefused(NotSignedIn.TOO_MANY, wait) if wait else self._if_not_busy(is_known=False)

    def _if_not_busy(self, *, is_known: bool) -> bool | SignInRefused:
        most = _MOST_KNOWN_AT_ONCE if is_known else _MOST_AT_ONCE
        return SignInRefused(NotSignedIn.BUSY, 2.0) if self._running[is_known] >= most else is_known

    async def _is_right(self, operator: Operator | None, password: Secret) -> bool:
        """An unknown name, and an operator without a password, take as long as a wrong password."""
        if operator is not None and operator.password_hash:
            return await self.hasher.verify(operator.password_hash, password)
        if not self._unused_hash:
            self._unused_hash = await self.hasher.hash(Secret(self.entropy.random_bytes(32).hex()))
        await self.hasher.verify(self._unused_hash, password)
        return False

    async def _stage(self, operator: Operator) -> Stage:
        """A break-glass password is long, random and kept in a safe. It must work when no passkey is at hand."""
        if self.second_factor is SecondFactor.OFF or operator.kind is Kind.BREAK_GLASS:
            return Stage.FULL
        known = await self.passkeys.passkeys_of(operator.name)
        return Stage.SECOND_FACTOR if known else Stage.ENROLMENT


@dataclass(frozen=True, slots=True)
class OwnPassword:
    """A person changes their own password."""

    sign_in: SignIn

    async def change(
        self, who: SignedIn, old: Secret, new: Secret, client: Client
    ) -> NewSession | SignInRefused | Refused:
        """Set ``new`` when ``old`` is right. All sessions of this person end, and a new one begins here.

        Checking ``old`` counts as an attempt to sign in. It does not make the session fresher, because a fresh sign-in
        may need a passkey too. Raises StoreUnavailable.
        """
        operator = who.operator
        if operator.kind is not Kind.LOCAL:
            return Refused(
                "your password is managed elsewhere, or is a break-glass password: ask an admin to change it"
            )
        if problem := password_problem(new):
            return Refused(problem)
        checked = await self.sign_in.check_password(operator.name, old, client)
        if isinstance(checked, SignInRefused):
            return checked
        sessions, via = self.sign_in.sessions, who.session.via
        hashed = await self.sign_in.hasher.hash(new)
        await self.sign_in.operators.set_password(operator.name, hashed)
        operator = replace(operator, password_hash=hashed)
        session = await sessions.begin(operator, via, client, proven_at=who.session.authenticated_at)
        return NewSession(session, Stage.FULL, operator, via)
