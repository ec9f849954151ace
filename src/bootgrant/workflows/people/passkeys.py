"""Passkeys: registered, and used to sign in, as a second factor, or to prove one's identity again.

A challenge is 256 random bits; the store has its digest. It can be answered once, within five minutes, for the purpose
and by the session that it was made for. Only local operators have passkeys: a provider decides about its own people,
and a break-glass password must work without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from bootgrant.approval.codes import challenge_digest
from bootgrant.approval.operators import VIA_PASSKEY, Kind
from bootgrant.ports.people import (
    Challenge,
    ChallengeStore,
    Operator,
    Passkey,
    PasskeyAssertion,
    PasskeyCeremony,
    PasskeyFlaw,
    PasskeyStore,
    Purpose,
    Stage,
)
from bootgrant.workflows.people.sign_in import Client, NewSession, Sessions, SignedIn

CHALLENGE_LIFETIME: Final = 300.0
"""Seconds to answer a challenge."""

MOST_PASSKEYS: Final = 20
NAME_LENGTH: Final = 64
_HANDLE: Final = 32
_ONLY_FACTOR: Final = (Purpose.SIGN_IN, Purpose.AGAIN)
"""Where the passkey is the only factor, the authenticator must verify its user."""


class PasskeyRefused(Enum):
    """Why a passkey was not accepted; the text is for the person."""

    LATE = "This took too long, or the page was already used. Try again."
    WRONG = "This passkey was not accepted. Try again, or use another one."
    KNOWN = "This passkey is already registered."
    FULL = "You already have 20 passkeys: remove one that you no longer use."
    NOT_HERE = "Passkeys are for operators who sign in here with a password."
    CROSS_ORIGIN = "The browser used this passkey inside a page of another site. Open bootgrant in its own tab instead."
    WEAK_KEY = "This passkey has an RSA key of fewer than 2,048 bits. Register one of another device instead."


_FLAWS: Final = {
    PasskeyFlaw.WRONG: PasskeyRefused.WRONG,
    PasskeyFlaw.CROSS_ORIGIN: PasskeyRefused.CROSS_ORIGIN,
    PasskeyFlaw.WEAK_KEY: PasskeyRefused.WEAK_KEY,
}


@dataclass(frozen=True, slots=True)
class Passkeys:
    """Every coroutine may raise StoreUnavailable."""

    store: PasskeyStore
    challenges: ChallengeStore
    ceremony: PasskeyCeremony
    sessions: Sessions

    async def registration_options(self, who: SignedIn) -> str:
        """Return options for the browser to create a passkey."""
        own = await self.store.passkeys_of(who.operator.name)
        handle = own[0].handle if own else self.sessions.entropy.random_bytes(_HANDLE)
        # The handle is stored with the challenge; the one in the browser's answer is never used.
        challenge = await self._challenge(Purpose.REGISTER, f"{who.session.digest.hex()} {handle.hex()}")
        return self.ceremony.creation_options(challenge, handle, who.operator.name, [one.credential_id for one in own])

    async def register(self, who: SignedIn, answer: str, name: str) -> Passkey | PasskeyRefused:
        """Store the passkey that the browser created."""
        if who.operator.kind is not Kind.LOCAL:
            return PasskeyRefused.NOT_HERE
        challenge = self.ceremony.challenge_of(answer)
        about = await self._answered(challenge, Purpose.REGISTER) if challenge else None
        if challenge is None or about is None:
            return PasskeyRefused.LATE
        session, _, handle = about.partition(" ")
        if session != who.session.digest.hex():
            return PasskeyRefused.WRONG
        created = self.ceremony.verify_creation(answer, challenge)
        if isinstance(created, PasskeyFlaw):
            return _FLAWS[created]
        if len(await self.store.passkeys_of(who.operator.name)) >= MOST_PASSKEYS:
            return PasskeyRefused.FULL
        label = "".join(c for c in name if c.isprintable()).strip()[:NAME_LENGTH] or "Passkey"
        passkey = Passkey(
            created.credential_id,
            who.operator.name,
            bytes.fromhex(handle),
            created.public_key,
            created.sign_count,
            label,
            self.sessions.clock.now(),
        )
        return passkey if await self.store.add_passkey(passkey) else PasskeyRefused.KNOWN

    async def options(self, purpose: Purpose, who: SignedIn | None = None) -> str:
        """Return options for the browser to use a passkey. ``who`` is required for every purpose but SIGN_IN."""
        own: Sequence[Passkey] = await self.store.passkeys_of(who.operator.name) if who else ()
        challenge = await self._challenge(purpose, who.session.digest.hex() if who else "")
        known = [passkey.credential_id for passkey in own]
        return self.ceremony.request_options(challenge, known, verified=purpose in _ONLY_FACTOR)

    async def sign_in(
        self, purpose: Purpose, answer: str, client: Client, who: SignedIn | None = None
    ) -> NewSession | PasskeyRefused:
        """Begin a session for the passkey that the browser used."""
        assertion = self.ceremony.read_assertion(answer)
        about = await self._answered(assertion.challenge, purpose) if assertion else None
        if assertion is None or about is None:
            return PasskeyRefused.LATE
        if about != (who.session.digest.hex() if who else ""):
            return PasskeyRefused.WRONG
        found = await self.store.find_passkey(assertion.credential_id)
        if found is None or not _belongs(assertion, *found, who):
            return PasskeyRefused.WRONG
        passkey, operator = found
        count = self.ceremony.verify_assertion(answer, assertion.challenge, passkey, verified=purpose in _ONLY_FACTOR)
        if isinstance(count, PasskeyFlaw):
            return _FLAWS[count]
        if not await self.store.use_passkey(passkey, count, self.sessions.clock.now()):
            return PasskeyRefused.WRONG
        session = await self.sessions.begin(operator, VIA_PASSKEY, client)
        return NewSession(session, Stage.FULL, operator, VIA_PASSKEY)

    async def _challenge(self, purpose: Purpose, about: str) -> bytes:
        challenge, now = self.sessions.entropy.random_bytes(32), self.sessions.clock.now()
        kept = Challenge(challenge_digest(challenge), purpose, about, now + CHALLENGE_LIFETIME)
        await self.challenges.put_challenge(kept, now)
        return challenge

    async def _answered(self, challenge: bytes, purpose: Purpose) -> str | None:
        return await self.challenges.take_challenge(challenge_digest(challenge), purpose, self.sessions.clock.now())


def _belongs(assertion: PasskeyAssertion, passkey: Passkey, operator: Operator, who: SignedIn | None) -> bool:
    """Return whether the passkey belongs to the person who must use it (WebAuthn section 7.2, step 6)."""
    if operator.disabled_at is not None or operator.kind is not Kind.LOCAL:
        return False
    if who is not None:
        return operator.name == who.operator.name and assertion.handle in (b"", passkey.handle)
    return assertion.handle == passkey.handle
