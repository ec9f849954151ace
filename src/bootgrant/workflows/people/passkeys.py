"""A person registers passkeys, signs in with one, shows one after the password, or once more before something precious.

A challenge is 256 random bits; the store has its digest. It is answered once, within five minutes, for the purpose and
by the session that it was made for. Only local operators have passkeys: who comes from a provider is the provider's to
shut out, and a break-glass password needs nothing beside it.
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
    PasskeyStore,
    Purpose,
    Stage,
)
from bootgrant.workflows.people.sign_in import Client, NewSession, Sessions, SignedIn

CHALLENGE_LIFETIME: Final = 300.0
"""Seconds."""

MOST_PASSKEYS: Final = 20
NAME_LENGTH: Final = 64
_HANDLE: Final = 32
_ALONE: Final = (Purpose.SIGN_IN, Purpose.AGAIN)
"""Where a passkey is all that is shown, the authenticator must know its user."""


class PasskeyRefused(Enum):
    """Why a passkey was not taken; the text is for the person."""

    LATE = "This took too long, or the page was used already. Try again."
    WRONG = "This passkey was not accepted. Try again, or use another one."
    KNOWN = "This passkey is registered already."
    FULL = "There are 20 passkeys already: remove one that you no longer use."
    NOT_HERE = "Passkeys are for operators who sign in here with a password."


@dataclass(frozen=True, slots=True)
class Passkeys:
    """Every method that is awaited may raise StoreUnavailable."""

    store: PasskeyStore
    challenges: ChallengeStore
    ceremony: PasskeyCeremony
    sessions: Sessions

    async def registration_options(self, who: SignedIn) -> str:
        """Options for the browser to make a new passkey."""
        own = await self.store.passkeys_of(who.operator.name)
        handle = own[0].handle if own else self.sessions.entropy.random_bytes(_HANDLE)
        # The handle comes back with the answer's challenge: what the browser says of it is never used.
        challenge = await self._challenge(Purpose.REGISTER, f"{who.session.digest.hex()} {handle.hex()}")
        return self.ceremony.creation_options(challenge, handle, who.operator.name, [one.credential_id for one in own])

    async def register(self, who: SignedIn, answer: str, name: str) -> Passkey | PasskeyRefused:
        """Keep the passkey that the browser made."""
        if who.operator.kind is not Kind.LOCAL:
            return PasskeyRefused.NOT_HERE
        challenge = self.ceremony.challenge_of(answer)
        about = await self._answered(challenge, Purpose.REGISTER) if challenge else None
        if challenge is None or about is None:
            return PasskeyRefused.LATE
        session, _, handle = about.partition(" ")
        made = self.ceremony.verify_creation(answer, challenge) if session == who.session.digest.hex() else None
        if made is None:
            return PasskeyRefused.WRONG
        if len(await self.store.passkeys_of(who.operator.name)) >= MOST_PASSKEYS:
            return PasskeyRefused.FULL
        called = "".join(c for c in name if c.isprintable()).strip()[:NAME_LENGTH] or "Passkey"
        passkey = Passkey(
            made.credential_id,
            who.operator.name,
            bytes.fromhex(handle),
            made.public_key,
            made.sign_count,
            called,
            self.sessions.clock.now(),
        )
        return passkey if await self.store.add_passkey(passkey) else PasskeyRefused.KNOWN

    async def options(self, purpose: Purpose, who: SignedIn | None = None) -> str:
        """Options for the browser to show a passkey; ``who`` for every purpose but SIGN_IN."""
        own: Sequence[Passkey] = await self.store.passkeys_of(who.operator.name) if who else ()
        challenge = await self._challenge(purpose, who.session.digest.hex() if who else "")
        known = [passkey.credential_id for passkey in own]
        return self.ceremony.request_options(challenge, known, verified=purpose in _ALONE)

    async def sign_in(
        self, purpose: Purpose, answer: str, client: Client, who: SignedIn | None = None
    ) -> NewSession | PasskeyRefused:
        """A new, complete session for the passkey that the browser showed."""
        shown = self.ceremony.read_assertion(answer)
        about = await self._answered(shown.challenge, purpose) if shown else None
        if shown is None or about is None:
            return PasskeyRefused.LATE
        if about != (who.session.digest.hex() if who else ""):
            return PasskeyRefused.WRONG
        found = await self.store.find_passkey(shown.credential_id)
        if found is None or not _fits(shown, *found, who):
            return PasskeyRefused.WRONG
        passkey, operator = found
        count = self.ceremony.verify_assertion(answer, shown.challenge, passkey, verified=purpose in _ALONE)
        if count is None or not await self.store.use_passkey(passkey, count, self.sessions.clock.now()):
            return PasskeyRefused.WRONG
        session = await self.sessions.begin(operator, VIA_PASSKEY, client)
        return NewSession(session, Stage.FULL, operator, VIA_PASSKEY)

    async def of(self, name: str) -> Sequence[Passkey]:
        """One person's passkeys, the oldest first."""
        return await self.store.passkeys_of(name)

    async def remove(self, name: str, credential_id: bytes) -> bool:
        """Forget one of a person's own passkeys. False when they have no such."""
        return await self.store.remove_passkey(name, credential_id)

    async def _challenge(self, purpose: Purpose, about: str) -> bytes:
        challenge, now = self.sessions.entropy.random_bytes(32), self.sessions.clock.now()
        kept = Challenge(challenge_digest(challenge), purpose, about, now + CHALLENGE_LIFETIME)
        await self.challenges.put_challenge(kept, now)
        return challenge

    async def _answered(self, challenge: bytes, purpose: Purpose) -> str | None:
        return await self.challenges.take_challenge(challenge_digest(challenge), purpose, self.sessions.clock.now())


def _fits(shown: PasskeyAssertion, passkey: Passkey, operator: Operator, who: SignedIn | None) -> bool:
    """Whether this passkey is its operator's, and theirs who is asked for one (WebAuthn section 7.2, step 6)."""
    if operator.disabled_at is not None or operator.kind is not Kind.LOCAL:
        return False
    if who is not None:
        return operator.name == who.operator.name and shown.handle in (b"", passkey.handle)
    return shown.handle == passkey.handle
