"""A person signs in with a password, and perhaps goes on to a passkey (workflows.passkeys)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from bootgrant.approval.operators import VIA_BREAK_GLASS, VIA_SESSION, Kind
from bootgrant.ports.people import Operator, OperatorStore, PasskeyStore, PasswordHasher, Stage
from bootgrant.ports.time import Entropy
from bootgrant.wire.secret import Secret
from bootgrant.workflows.limits.attempts import AttemptLimit, WhenFull, address_key, name_key
from bootgrant.workflows.people.sessions import Client, Sessions

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
class Begun:
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


@dataclass(frozen=True, slots=True)
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

    def wait_at(self, address: str) -> float:
        """Count an attempt of this address that names nobody: 0.0, or the seconds to wait before the next."""
        return self.by_address.attempt(address_key(address), self.sessions.clock.steady())

    async def sign_in(self, name: str, password: Secret, client: Client) -> Begun | SignInRefused:
        """A new session for the operator of this name and password. Raises StoreUnavailable."""
        operator = await self.look(name, password, client)
        if isinstance(operator, SignInRefused):
            return operator
        stage = await self._stage(operator)
        via = VIA_BREAK_GLASS if operator.kind is Kind.BREAK_GLASS else VIA_SESSION
        return Begun(await self.sessions.begin(operator, via, client, stage), stage, operator, via)

    async def look(self, name: str, password: Secret, client: Client) -> Operator | SignInRefused:
        """The operator of this name and password; every look counts as an attempt. Raises StoreUnavailable."""
        steady = self.sessions.clock.steady()
        wait = self.wait_at(client.address) or self.by_name.attempt(name_key(name), steady)
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
