"""A provider ends sessions: what its logout token names ends here, and what the person gave becomes void.

OpenID Connect Back-Channel Logout 1.0, sections 2.5 to 2.8. A person who presses "Sign out" here may then end the
session at the provider too, which makes the provider call: that call takes nothing away. So a sign-out is remembered
for some minutes, in the store, because the call may arrive at another server.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bootgrant.approval.codes import sign_out_digest
from bootgrant.ports.leaving import SignOutStore
from bootgrant.ports.people import AuditOfSession, Operator, OperatorStore, Session
from bootgrant.ports.providers import IdentityProvider, Logout, LogoutRefused
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.lost_rights import LostRights
from bootgrant.workflows.people.sign_in import Sessions, SignedIn
from bootgrant.workflows.record.audit import signed_out

log = logging.getLogger("bootgrant.operators")

OWN_REMEMBERED: Final = 600.0
"""Seconds in which a call about a sign-out that the person made here takes nothing away."""

_LEEWAY: Final = 60.0
"""Seconds by which the provider's clock may differ."""

_SESSION: Final = "session"
_PERSON: Final = "person"
_TOKEN: Final = "token"  # noqa: S105  (no secret)


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """A logout token was obeyed. ``void`` is whether what the person gave became void."""

    sessions: int
    void: bool


class UnknownProvider(Exception):
    """No provider has this id."""


@dataclass(frozen=True, slots=True)
class OidcLogout:
    """Every coroutine may raise StoreUnavailable."""

    providers: Mapping[str, IdentityProvider]
    operators: OperatorStore
    sign_outs: SignOutStore
    sessions: Sessions
    lost: LostRights

    async def note_own(self, who: SignedIn) -> None:
        """Remember that the person of this session is signing out here. Call this before the session ends.

        Others that began in the same session of the provider, which only the same browser can have, end now: a check of
        one would find that the provider's has ended, and take away what the person gave.
        """
        operator, now = who.operator, self.sessions.clock.now()
        if not operator.issuer:
            return
        names = [(_PERSON, operator.subject), (_SESSION, who.session.provider_session)]
        for what, name in names:
            if name:
                digest = sign_out_digest(what, operator.issuer, name)
                await self.sign_outs.note_sign_out(digest, now, now + OWN_REMEMBERED)
        if who.session.provider_session:
            for each in await self.operators.sessions_at(operator.issuer, who.session.provider_session):
                if each.operator == operator.name and each.digest != who.session.digest:
                    await self.operators.end_session(each.digest)

    async def by_provider(self, provider_id: str, token: Secret) -> LoggedOut | LogoutRefused:
        """Obey a logout token. Raise UnknownProvider, and ProviderUnavailable when it cannot be checked now.

        What the person gave becomes void before the sessions end and again afterwards: a server that stops in between
        leaves a session, so the same call, or a check of the session, does the rest. A token that was obeyed changes
        nothing when it comes again.
        """
        provider = self.providers.get(provider_id)
        if provider is None:
            raise UnknownProvider
        logout = await provider.logout(token)
        if isinstance(logout, LogoutRefused):
            return logout
        now, used = self.sessions.clock.now(), sign_out_digest(_TOKEN, provider.issuer, logout.token_id)
        if await self.sign_outs.sign_out_noted(used, now) is not None:
            return LoggedOut(0, void=False)
        done = await self._obey(provider, logout)
        await self.sign_outs.note_sign_out(used, now, max(now, logout.expires_at) + _LEEWAY)
        return done

    async def _obey(self, provider: IdentityProvider, logout: Logout) -> LoggedOut:
        operator, ending = await self._concerned(provider, logout)
        if operator is None:
            log.info("%s: logout of a person or session that is unknown here", provider.provider_id)
            return LoggedOut(0, void=False)
        why = f"signed out at the provider {provider.provider_id}"
        void = await self._is_lost(provider, logout, operator, ending)
        if void:
            await self.lost.signed_out(operator.name, why)
        ended = [await self.operators.end_session(each.digest, self._event(why)) for each in ending]
        if void:
            await self.lost.signed_out(operator.name, why)
        log.info(
            "%s: %s was signed out there: sessions ended: %d, votes and approvals %s",
            provider.provider_id, operator.name, sum(ended), "void" if void else "kept",
        )  # fmt: skip
        return LoggedOut(sum(ended), void)

    async def _concerned(self, provider: IdentityProvider, logout: Logout) -> tuple[Operator | None, Sequence[Session]]:
        """Return the person, and those of their sessions that the token ends.

        A session whose name at the provider is not known may be the one that is meant. One that began after the token
        was issued is not: the person has signed in again.
        """
        if logout.subject:
            operator = await self.operators.find_subject(provider.issuer, logout.subject)
            sessions = await self.operators.sessions_of(operator.name) if operator else ()
        else:
            sessions = await self.operators.sessions_at(provider.issuer, logout.session_id)
            operator = await self.operators.find_operator(sessions[0].operator) if sessions else None
        named = ("", logout.session_id) if logout.session_id else None
        latest = logout.issued_at + _LEEWAY
        return operator, [
            each for each in sessions if (named is None or each.provider_session in named) and each.created_at <= latest
        ]

    async def _is_lost(
        self, provider: IdentityProvider, logout: Logout, operator: Operator, ending: Sequence[Session]
    ) -> bool:
        """Return whether what the person gave becomes void.

        It stays after a sign-out of their own, unless a session began since then. It also stays when the token names a
        session that is not open here while the person has another one: they are still signed in.
        """
        what, name = (_SESSION, logout.session_id) if logout.session_id else (_PERSON, logout.subject)
        digest = sign_out_digest(what, provider.issuer, name)
        own_at = await self.sign_outs.sign_out_noted(digest, self.sessions.clock.now())
        if own_at is not None:
            return any(each.created_at > own_at for each in ending)
        return bool(ending) or not await self.sessions.of(operator.name)

    def _event(self, why: str) -> AuditOfSession:
        now = self.sessions.clock.now()
        return lambda session: signed_out(session, now, why)
