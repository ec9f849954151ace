"""Whether people who signed in at a provider are still there: their sessions' refresh tokens are used to ask.

Many providers call nobody when a person is disabled or removed, so each session is checked every ``check_every``, and
before its person decides. A provider that does not answer takes nothing away. Only one server checks a session at a
time, and it stores the new refresh token before it releases the session: a token that is used twice would end the
session at providers that watch for stolen ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from bootgrant.approval.operators import Actor, via_oidc
from bootgrant.ports.leaving import SessionCheckStore
from bootgrant.ports.people import BY_PROVIDER, AtProvider, Operator, OperatorStore, Session
from bootgrant.ports.providers import (
    Cause,
    Ended,
    IdentityProvider,
    ProviderPerson,
    ProviderUnavailable,
    ProviderWrong,
    Renewed,
    Sealing,
)
from bootgrant.ports.time import Clock
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.lost_rights import LostRights
from bootgrant.workflows.people.sign_in import SignedIn
from bootgrant.workflows.record.audit import Change, operator_changed, signed_out

log = logging.getLogger("bootgrant.operators")

FRESH: Final = 15.0
"""Seconds for which a check counts when its person decides."""

PATIENCE: Final = 2.0
"""Seconds that a decision waits for a check at most."""

_CLAIM: Final = 30.0
"""Seconds after which another server may check a session whose check did not finish."""

_LONGEST: Final = 25.0
"""Seconds that one check may take: less than _CLAIM, so that no two servers use the same refresh token."""

_EARLY: Final = 5.0
"""Seconds before its end from which a session may have expired by itself: clocks and answers are not exact."""

_AT_ONCE: Final = 8
_ROUND: Final = 200
"""Checks at the same time, and sessions of one round."""

_PAUSE: Final = 30.0
"""Seconds until the next round after a provider did not answer, and between two warnings about it."""

_LONGEST_SID: Final = 1000
_LOOK: Final = 0.1
_SPREAD: Final = 0.2
"""The part of ``check_every`` by which a check may be early, so that sessions are not all checked at the same time."""


@dataclass(frozen=True, slots=True)
class ProviderProblem:
    """Why the sessions of a provider cannot be checked, and when that was last tried (Unix seconds)."""

    at: float
    reason: str


@dataclass(slots=True)
class CheckPresence:
    """``key`` seals the refresh tokens; all servers of a site have the same. For one event loop.

    Every method may raise StoreUnavailable.
    """

    providers: Mapping[str, IdentityProvider]
    operators: OperatorStore
    checks: SessionCheckStore
    sealing: Sealing
    key: Secret
    lost: LostRights
    clock: Clock
    _urgent: list[tuple[Session, asyncio.Future[None]]] = field(default_factory=list)
    _checked: dict[bytes, asyncio.Future[None]] = field(default_factory=dict)
    """The checks before decisions that are wanted or running, by the digest of their session."""
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _paused_until: dict[str, float] = field(default_factory=dict)
    _warned_until: dict[str, float] = field(default_factory=dict)
    _problems: dict[str, ProviderProblem] = field(default_factory=dict)

    def problem_of(self, provider_id: str) -> ProviderProblem | None:
        """Return why the last check at a provider failed on this server; None if it did not."""
        return self._problems.get(provider_id)

    def at_provider(self, provider: IdentityProvider, person: ProviderPerson) -> AtProvider:
        """Return what a new session stores of the provider's. A name (sid) that is too long counts as unknown."""
        session_id = person.session_id if len(person.session_id) <= _LONGEST_SID else ""
        if person.renewal is None or not provider.check_every:
            return AtProvider(session_id)
        return AtProvider(session_id, self._sealed(person.renewal), person.renewal.expires_at)

    async def step(self) -> None:
        """Check the sessions that are due: the chore of the regular checks. No provider waits for another one."""
        await asyncio.gather(*(self._step_of(one) for one in self.providers.values() if one.check_every))

    async def _step_of(self, provider: IdentityProvider) -> None:
        if self._is_paused(provider):
            return
        now, via = self.clock.now(), via_oidc(provider.provider_id)
        before = now - provider.check_every * (1 - _SPREAD)
        found = await self.checks.sessions_to_check(via, before, now, _ROUND)
        due = [session for session in found if _is_due(provider, session, now)]
        for start in range(0, len(due), _AT_ONCE):
            if self._is_paused(provider):
                return
            await asyncio.gather(*(self._check(session) for session in due[start : start + _AT_ONCE]))

    async def wait_for_decision(self) -> None:
        """Return when a person decides whose session must be checked first."""
        await self._wanted.wait()

    async def before_decision(self) -> None:
        """Check the sessions of people who are deciding: the chore of these checks.

        Those who come while others are checked do not wait for them.
        """
        running: set[asyncio.Task[None]] = set()
        failed: BaseException | None = None
        try:
            while running := running | {asyncio.create_task(self._answer(*each)) for each in self._take_urgent()}:
                more = asyncio.create_task(self.wait_for_decision())
                done, _ = await asyncio.wait({*running, more}, return_when=asyncio.FIRST_COMPLETED)
                more.cancel()
                for each in done & running:
                    failed = each.exception() or failed
                running -= done
        finally:
            for each in running:
                each.cancel()
        if failed is not None:
            raise failed

    def _take_urgent(self) -> Collection[tuple[Session, asyncio.Future[None]]]:
        self._wanted.clear()
        waiting, self._urgent = self._urgent, []
        return waiting

    async def _answer(self, session: Session, checked: asyncio.Future[None]) -> None:
        try:
            await self._check_soon(session)
        finally:
            self._checked.pop(session.digest, None)
            if not checked.done():
                checked.set_result(None)

    async def is_present(self, who: SignedIn) -> bool:
        """Return whether the session of a person who is about to decide continues at the provider.

        Waits for a check if the last one is not fresh, but not longer than PATIENCE: a slow provider delays nobody.
        """
        session, provider = who.session, self._provider_of(who.session)
        if provider is None or not session.renewal or self.clock.now() - session.checked_at < FRESH:
            return True
        checked = self._checked.get(session.digest)
        if checked is None:
            checked = self._checked[session.digest] = asyncio.get_running_loop().create_future()
            self._urgent.append((session, checked))
            self._wanted.set()
        await asyncio.wait([checked], timeout=PATIENCE)
        return await self.operators.find_session(session.digest) is not None

    def _provider_of(self, session: Session) -> IdentityProvider | None:
        """Return the provider that a session is checked with; None for none."""
        found = next((one for one in self.providers.values() if via_oidc(one.provider_id) == session.via), None)
        return found if found and found.check_every else None

    def _is_paused(self, provider: IdentityProvider) -> bool:
        return self._paused_until.get(provider.provider_id, 0.0) > self.clock.steady()

    async def _check_soon(self, session: Session) -> None:
        """Check now, or wait until the server that is checking has finished."""
        for _ in range(round(PATIENCE / _LOOK)):
            if await self._check(session):
                return
            await asyncio.sleep(_LOOK)

    async def _check(self, session: Session) -> bool:
        """Ask the provider. Return False while another server does."""
        provider, now = self._provider_of(session), self.clock.now()
        if provider is None:
            return True
        if not await self.checks.claim_check(session, now, now + _CLAIM):
            found = await self.operators.find_session(session.digest)
            return found is None or found[0].renewal != session.renewal
        if session.renewal_until is not None and now >= session.renewal_until:
            # Nothing is sent: Keycloak would call a session that only expired a logout.
            await self._end(provider, session, Ended(Cause.UNCLEAR, "it expired"))
            return True
        try:
            answer = await self._renewed(provider, session)
        except ProviderWrong as error:
            # It may concern only this session, so the others are checked, and this one in its turn.
            self._warn(provider, error)
            await self.checks.keep_check(session, session.renewal, session.renewal_until, self.clock.now())
            return True
        except ProviderUnavailable as error:
            self._warn(provider, error)
            self._paused_until[provider.provider_id] = self.clock.steady() + _PAUSE
            await self.checks.release_check(session.digest)
            return True
        if answer is not None:
            self._problems.pop(provider.provider_id, None)
        if isinstance(answer, Renewed):
            await self.checks.keep_check(session, self._sealed(answer), answer.expires_at, self.clock.now())
        elif answer is not None:
            await self._end(provider, session, answer)
        return True

    def _warn(self, provider: IdentityProvider, error: ProviderUnavailable) -> None:
        now = self.clock.steady()
        self._problems[provider.provider_id] = ProviderProblem(self.clock.now(), str(error))
        if self._warned_until.get(provider.provider_id, 0.0) <= now:
            self._warned_until[provider.provider_id] = now + _PAUSE
            log.warning("people of %s are not checked now, nobody loses anything: %s", provider.provider_id, error)

    async def _renewed(self, provider: IdentityProvider, session: Session) -> Renewed | Ended | None:
        """Use the refresh token; None if it cannot be read, because it was sealed with another code key."""
        token = self.sealing.unseal(self.key, session.renewal)
        if token is not None:
            try:
                async with asyncio.timeout(_LONGEST):
                    return await provider.renew(token)
            except TimeoutError:
                raise ProviderUnavailable(f"provider {provider.provider_id}: no answer in {_LONGEST:.0f} s") from None
        log.warning("the session of %s is not checked any more: the code key has changed", session.operator)
        await self.checks.keep_check(session, "", None, session.checked_at)
        return None

    async def _end(self, provider: IdentityProvider, session: Session, ended: Ended) -> None:
        """End a session that does not continue at the provider, and what else its cause takes away.

        As in workflows/people/oidc_logout.py, votes become void before and after. A session that ended here while the
        provider was asked takes nothing along: that its person signed out here may be why the provider's ended.
        """
        name, reason = session.operator, f"at the provider {provider.provider_id}: {ended.reason}"
        if ended.cause is Cause.LEFT:
            await self._disable(name, session, f"disabled {reason}")
            return
        if await self.operators.find_session(session.digest) is None:
            return
        is_early = session.renewal_until is not None and self.clock.now() < session.renewal_until - _EARLY
        is_lost = ended.cause is Cause.ENDED and is_early
        why = f"signed out {reason}" if is_lost else f"the session ended {reason}"
        if is_lost:
            await self.lost.signed_out(name, why)
        now = self.clock.now()
        was_open = await self.operators.end_session(session.digest, lambda before: signed_out(before, now, why))
        if is_lost:
            await self.lost.signed_out(name, why)
        if was_open:
            log.info("%s: %s; votes and approvals %s", name, why, "void" if is_lost else "kept")

    async def _disable(self, name: str, session: Session, why: str) -> None:
        """Disable an operator whom the provider disabled or removed; signing in there enables them again."""
        known = await self.operators.find_operator(name)
        await self.lost.signed_out(name, why)
        if known is not None and known.disabled_at is None:
            change = Change(self.clock.now(), _actor(known, session), "disabled by the provider", why)
            await self.operators.set_disabled(
                name, change.at, lambda before: operator_changed(change, name, before, before), BY_PROVIDER
            )
        await self.lost.of_operator(name)
        log.warning("%s: %s; sessions ended, votes and approvals void", name, why)

    def _sealed(self, renewal: Renewed) -> str:
        return self.sealing.seal(self.key, renewal.refresh_token.reveal())


def _is_due(provider: IdentityProvider, session: Session, now: float) -> bool:
    early = _SPREAD * session.digest[0] / 255
    return now - session.checked_at >= provider.check_every * (1 - early)


def _actor(operator: Operator, session: Session) -> Actor:
    return Actor(operator.name, operator.role, operator.labels, session.via)
